"""A reward as a user writes one: a plain function of the answers to one prompt."""


def digits(samples):
    """The share of digits in an answer."""
    return [sum(letter.isdigit() for letter in sample.completion) / max(1, len(sample.completion)) for sample in samples]
