"""A reward as users write one: a plain function of the answers to one prompt."""


def digits(samples):
    """Return the share of digits in each answer."""
    return [sum(letter.isdigit() for letter in sample.completion) / max(1, len(sample.completion)) for sample in samples]
