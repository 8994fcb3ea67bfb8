"""Texts that give no letter, or several at once."""

import pytest

from openr1.rewards.choice import read_letter

# a line each, with \n for an end of line
NO_LETTER = r"""
The answer is a wave
The answer is A wave
A would be wrong
A wave is a wave
The answer is not B
The answer isn't B.
The answer is not B or C.
I don't think the answer is B.
If the answer is B, then x.
Is the answer B?
The answer is B?
I think so.
 I am lost. I have no idea
I choose a wave
I like all of them
Answer: A, B, C, D
Answer: A B C D
Answer: ABCD
Answer: A,B,C,D
Answer: A;B
Answer: A/B
Answer: A/B/C/D
Answer: A|B
Answer: A & B
Answer: A+B
\boxed{A}\boxed{B}\boxed{C}\boxed{D}
\boxed{A} \boxed{B}
\boxed{A}, \boxed{B}
\boxed{A}\n\boxed{B}
\boxed{A} and \boxed{B}
\boxed{A, B}
\boxed{A,B,C,D}
\boxed{A/B}
\boxed{A B}
\boxed{AB}
\boxed{A \text{ or } B}
\boxed{A}. \boxed{B}. \boxed{C}.
A or B
A and C
A, B, C, D
A/B
A, B
(A), (B)
(A) and (B)
The answer is A or B.
The answer is A or C
The answer is either A or B.
The answer is both A and C.
The answers are A and C.
The answer is (A) and (C).
The correct options are A and C
Answer: A or B or C or D
Answer: A) 54 B) 56 C) 63 D) 48
Answer: A) 54, B) 56
Answer: A. 54 B. 56 C. 63 D. 48
Answer:\nA) 54\nB) 56\nC) 63\nD) 48
Answer:\nA\nB\nC\nD
A\nB\nC\nD
A) 54\nB) 56\nC) 63\nD) 48
A. 54\nB. 56\nC. 63
A) 54 B) 56 C) 63
(A) 54 (B) 56
Answer: A\nAnswer: B\nAnswer: C\nAnswer: D
The answer is A. The answer is B. The answer is C. The answer is D.
A is correct. B is correct. C is correct.
A is correct, B is correct, C is correct
Option A is correct and option B is correct.
Answer: A\n\nAnswer: B
Answer: A \boxed{B}
\boxed{A} Answer: B
答案：A、B
答案是A和B
答案：ABCD
答案是A或B
不选A
答案不是A
The answer is vitamin C.
Answer: Vitamin C
Vitamin C is the correct answer.
The answer is \vec{A}
The answer is C = 12 pF
The answer is C/m
The answer is F(x)
The answer is A-level physics
The answer is A if x, else B
The answer is A only if x
The answer is neither A nor B.
none of the above
A, however, is wrong.
Options A and B are wrong.
12 apples
Bananas
The answer is A (or B).
Answer: A to D
Answer: A-D
Answer: A - D
Answer: either (A) or (B)
Answer: A, or maybe B
Option A or option B
Why is the answer B?
the answer is x.
x
\boxed{12}
(A)(B)(C)(D)
\boxed{(A)(B)}
A)B)C)D)
A.B.C.D
A.B.C.D.
Answer: (A)(B)(C)(D)
Answer: A)B)C)D)
A: 54, B: 56
A - x\nB - y
- A\n- B
**A**\n**B**
A\n\nB\n\nC\n\nD
Answer: A, B and C are wrong
Conclusion: A, B, C and D are wrong.
Answer: A, B, C, and D
Answer: A; B; C; D
Answer: **A**, **B**
Answer: $A$, $B$
Answer: A\n\boxed{A}\boxed{B}
\fbox{A}\fbox{B}
\boxed{A}\quad\boxed{B}\quad\boxed{C}
\boxed{\text{A}, \text{B}}
\boxed{A \text{ and } B}
\boxed{A} \text{ or } \boxed{B}
\boxed{ABCD}
\boxed{A,\ B,\ C,\ D}
Both A and B are correct.
Neither A nor B is correct.
A is not the correct answer.
Is B the correct answer?
A could be correct.
It might be that the answer is B.
The answer could be B.
The answer is B or something else.
The answer is B or D, I think
The answer is A,B.
the answer is a, b
answer: a or b
answer: a, b, c, d
Answer: (a), (b)
a) 54\nb) 56
Answer: C D
A correct answer is hard to find
A clear answer: a wave
Answer: I think so
I'd say so
I, for one, am lost
Answer: A's wave
Let A be the answer
Answer in one letter
The answer is in A's box
The answer depends on A.
Option A is incorrect.
Option A is wrong.
The answer is option
选项A错误
答案是A还是B
A不正确
Answer: A. No, B. No, C. No, D.
A wave, B wave
The answer is a.m.
The answer is a lot
The answer is A lot
The answer is a, as b is
I choose to stay
A is for apple
A is a letter
A better answer is needed
Answer A or B?
Answer: A? B?
Answer: not A
Answer: none
Answer: unknown
Answer: A and/or B
\boxed{A \& B}
\boxed{A+B}
\boxed{A\cup B}
\boxed{A; B}
\boxed{A|B}
\boxed{\text{A and B}}
\boxed{\text{Both A and B}}
\boxed{\text{A or B}}
\boxed{\text{None}}
\boxed{\text{not A}}
\boxed{A} \boxed{B} \boxed{C}
\boxed{A}\n\n\boxed{B}
$\boxed{A}$, $\boxed{B}$
- \boxed{A}\n- \boxed{B}
Answer: A\nAnswer: B
**Answer: A**\n**Answer: B**
Answer: A. Answer: B. Answer: C. Answer: D.
The answer is A. The answer is B.
The answer is A, B.
The answer is A & C.
The answer is A plus B.
The answer is A, C, or D.
The answer is one of A, B.
Either A or B.
It is A or B.
I choose A and B.
I choose A or B.
I choose A, B, C, D.
A B C D
A/B/C/D
A,B,C,D
ABCD
(A), (B), (C), (D)
A. B. C. D.
A) B) C) D)
The answer is A B C D
选A或B
选A、B
A和B都正确
A、B正确
"""


@pytest.mark.parametrize("text", [line.replace("\\n", "\n") for line in NO_LETTER.strip().split("\n")])
def test_no_letter(text):
    assert read_letter(text) is None
