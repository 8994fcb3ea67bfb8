"""A reward as users write one: a plain function of the answers to one prompt."""


def digits(samples):
    """Return the share of digits in each answer."""
    return [sum(letter.isdigit() for letter in sample.completion) / max(1, len(sample.completion)) for sample in samples]


def even_digits(samples):
    """Return 1 for each answer with an even number of digits, so that groups are often of one reward."""
    return [float(sum(letter.isdigit() for letter in sample.completion) % 2 == 0) for sample in samples]
