"""The letter of an answer to a multiple choice, in the forms in which models say it."""

import time

import pytest

from openr1.data.tasks.base import Problem
from openr1.rewards import Sample, verify
from openr1.rewards.choice import check, letter

# a line each, with \n for an end of line
C = r"""
\boxed{C}
\boxed{\text{C}}
\boxed{(C)}
\boxed{C)}
\boxed{C.}
\boxed{C: text}
\boxed{\textbf{(C)}\ 12}
\boxed{\mathrm{C}}
\boxed{\mathbf{C}}
\boxed{\text{C) a wave}}
\boxed{\text{Option C}}
\boxed{\text{Answer: C}}
\boxed{\text{The answer is C}}
\boxed{C \text{ (a wave)}}
\boxed{C - a wave}
\boxed{c}
\boxed{(c)}
\fbox{C}
$\boxed{C}$
\boxed C
Answer: C
answer: c
ANSWER: C
**Answer**: **C**
**Answer: C**
**Answer:** C
**Answer:** **C**
*Answer*: *C*
__Answer__: __C__
Answer - C
Answer – C
Answer is C
Answer = C
Answer : C
Answer C
Answer (C)
Answer: (C)
Answer:(C)
Answer:C
The correct answer is (C).
The correct answer is: (C) a wave
The answer is option C
The answer is Option (C).
The answer is choice C.
The correct answer is letter C.
The correct option is **C**
The correct choice is **C**
Correct option: C
The right answer is C, since it is a wave.
the best answer would be C
The best choice is therefore C.
The answer must be C.
The answer should be C because it is.
I choose C
I choose option C.
I would choose (C).
I'd go with C.
I will select option C.
I think the answer is C.
I believe that C is correct.
Option C is correct
Option C is correct because a wave.
Option C is the correct answer.
(C) is correct
C is correct.
C is the correct answer
C is the best answer.
So C.
So, the answer is C.
So the answer is therefore C.
Therefore, C.
Hence (C).
It's C.
It is C
Final answer: $C$
**Final Answer:** $\text{C}$
Final Answer: \(\boxed{C}\)
The final answer is $\boxed{C}$.
$\text{C}$
\(\mathrm{C}\)
**C**
C
(C)
[C]
C.
C)
C:
C) a wave
C. a wave
C: a wave
(C) a wave
C - a wave
c
(c)
c) a wave
Answer: C) text
Answer: C. a wave on a string
Answer: C: a wave
Answer: C (a wave)
Answer: C - a wave
Answer: [C]
Answer: {C}
Answer: "C"
Answer: `C`
Answer: <C>
Answer: $C
Answer: ✅ C
### Answer\nC
## Final Answer\n\n**C**
Answer:\nC
Answer:\n\n**C**
### Answer:\nC) a wave
### Final answer\n\nC. a wave
答案：C
答案是C。
正确答案是C
正确答案：C
正确答案为 C。
答案选C
答案是选项C
故选C。
因此选 C
正确选项是C
所以答案是（C）。
选项C正确。
Ｃ
答案：Ｃ
Answer: Ｃ
Answer: Ⓒ
Respuesta: C
Antwort: C
Die Antwort ist C.
La respuesta correcta es C.
정답: C
The reasoning.\n\nC
The reasoning.\n\n**C**
Answer: A would be wrong.\n\nAnswer: C
\boxed{A}. No, wait, that is wrong. \boxed{C}
Answer: A\n\nNo, wait.\n\nAnswer: C
The answer is A. No, the answer is C.
The answer is A. Wait, that is wrong. So C.
The answer is not B, so the answer is C.
Answer: C\n\nExplanation: A is wrong since x. B is wrong since y.
Answer: C.\n\nOption A is wrong.\nOption B is wrong.
The answer is C, not A.
The answer is C (not A).
The answer is C and not D.
The answer is C rather than A.
Of the options, only C fits. The answer is **C**.
A) 54\nB) 56\nC) 63\nD) 48\n\nThe answer is C.
The correct answer is option C) a wave.
The answer to this question is C.
The correct answer to the question is (C).
The answer, then, is C.
The answer is 63, which is option C.
Answer: 63 (option C)
This matches option C.
This corresponds to option (C).
The correct answer is:\n\n**C) a wave**
The correct answer is:\n\nC
The answer is\n\n\[\boxed{C}\]
A is true. B is true, too, as well. C is false. Answer: C
Vitamin A matters. Answer: C
The correct answer is **C. a wave**.
The correct answer is **C**: a wave.
Answer: **(C)**
Answer: C\n\nA wave is what it is.
The answer is C\n
Answer: C</s>
**Final Answer**\n\n\boxed{C}
The final answer is: $\boxed{C}$
ANSWER: C) 5 m/s
Therefore, the correct answer is:\n\n**C. a wave**
**Correct Option: C**
The correct answer is **(C) 5 eV**.
Answer: **C. 5 eV**
The best answer is C.
Final Answer: The final answer is $\boxed{C}$. I hope it is correct.
Thus, the answer is (C). ∎
The answer is $\boxed{\textbf{(C)}~12}$
\boxed{\textbf{(C) }12}
\boxed{\textbf{(C)}\,\frac{1}{2}}
\boxed{C. \ 12 \text{ m/s}}
\boxed{\text{C. } \frac{1}{2}}
\boxed{C.\frac{1}{2}}
\boxed{C:12}
\boxed{C)12}
\boxed{"C"}
\boxed{\{C\}}
\boxed{\textcolor{red}{C}}
\boxed{\color{blue}C}
\boxed{\text{Choice (C)}}
\boxed{63}, so the answer is C.
Answer: C\n\n\boxed{63}
The answer would thus be C.
The answer is definitely not A or B. It must be C.
This makes C the correct answer.
making option C the best choice.
Hence, option (C) is the correct answer.
Hence the correct option is (c)
(c) is correct
Answer: (c) a wave
answer: c) a wave
answer: c. a wave
So (c).
{"answer": "C"}
```json\n{"answer": "C", "confidence": 0.9}\n```
I'd say C.
I'm confident. Answer: C
Answer: C\n\nHowever, if air resistance is included, the answer is B.
Answer: C. Otherwise the answer would be A.
A common mistake is to think the answer is B. The answer is C.
The wrong answer is B. The right one is C.
The answer is (B), but let me check... Actually the answer is (C).
**Answer:** C\n\n**Explanation:** The answer is C because x, not D.
**Answer:** C\n\n- A is wrong\n- B is wrong\n- D is correct only if x.
Answer: C\nA is too small.\nB is too large.
A and B are wrong, C is correct.
The answer is all of it (option C).
Let me see. A: 5. B: 6. So the answer is C: 7.
The correct answer is $\mathbf{C}$: 5.
The answer is **C** – a wave.
answer is C
the Answer Is: C
> **C**
C.
“C”
'C'
Answer: 'C'.
Option C
Option C: a wave
Choice C.
We choose C.
因此，正确答案是 **C**。
正确答案是：**C. 波**
答案为(C)。
本题选C。
综上所述，答案是C，因为波。
答え：C
Réponse : C
\boxed{A} is what one gets at first. But no: \boxed{C}
\boxed{A}\n\nLet me double-check this. I made an error.\n\n\boxed{C}
First I get \boxed{A}, then after correcting the sign, \boxed{C}.
\boxed{C}\n\nThe answer is C.
\[\n\boxed{C}\n\]
\boxed{\text{C}}\quad
The **correct answer is C**.
Thus, the final answer is **C**
The correct answer is C: a wave.
**The answer is C) 12 m/s.**
**Answer:**\n\n\boxed{C}
**Answer**\n\n**C) a wave**
**Answer**\nC
Therefore the answer is $\boxed{\text{C}}$.
Therefore, the correct choice is $\boxed{\textbf{(C)}}$.
So the correct option is (C) 12.
So the correct answer is option (C), 12.
Correct answer: (C) 12
**Correct answer:** (C)
Answer: C.\n\nBecause A, B and D are wrong.
answer:C
Answer: Option C
Answer: option (C)
Answer: choice C
Answer: letter C
Answer: The answer is C
Answer: The correct option is C: a wave
Answer: [C] a wave
ANSWER: (C)
ANSWER IS C
THE ANSWER IS C.
THE CORRECT ANSWER IS (C)
The answer is "C".
The answer is 'C'.
The answer is `C`.
The answer is <C>.
The answer is: **C**
The answer is\nC
The answer is:\n\n(C) a wave
Answer: C (since A is wrong)
The most appropriate answer is C.
The most likely answer is C.
The only correct answer is C.
The only correct option is C.
The right choice is C
The correct statement is C.
The correct response is C.
The best option here is C.
The correct option here is C.
My final answer is C.
My answer is C.
Our answer is C.
Final answer: C
Final choice: C
FINAL ANSWER: C
Final Answer - C
# Answer: C
Hence answer is C
Hence, C is correct.
Hence C is the answer.
Thus C.
Thus, option C.
Therefore, option C is correct.
Therefore option (C) is the right answer.
so it is C.
So it's C.
So the answer: C
I will go with C.
I would go with option C.
I go with C.
I'm going with C.
I pick C
I select (C)
I'll choose C.
We select option C.
We pick C.
Let's go with C.
C is the right choice.
C is the best option.
C is right.
C is the correct option because it is.
Choice C is correct.
Answer C is correct.
The answer C is correct.
(C) is the answer.
**C** is correct.
**(C)** is the correct answer.
Option **C** is correct.
Option C must be correct.
Only C is correct.
Only option C is correct.
Statement C is correct.
\text{C}
\mathbf{C}
$C$
$(C)$
\(C\)
\[C\]
\boxed{\mathrm{(C)}}
\boxed{\mathbf{(C)}\ 12}
\boxed{\textbf{C}}
\boxed{\bf C}
\boxed{\bf{C}}
\boxed{{C}}
\boxed{ C }
\boxed{\ C\ }
\boxed{$C$}
\boxed{**C**}
\boxed{[C]}
\boxed{C;}
\boxed{C,}
\boxed{\text{(C) a wave}}
\boxed{\text{C: a wave}}
\boxed{\text{C.} a wave}
\boxed{\text{C}) a wave}
\boxed{(C)\;12}
\boxed{(C) \frac{1}{2}}
\boxed{C\text{: a wave}}
\boxed{C \; (12)}
\boxed{\text{C (a wave)}}
\boxed{\text{option (c)}}
\boxed{Answer: C}
\boxed{\text{The correct answer is C.}}
\fbox{(C)}
\framebox{C}
\boxed{C}\n\nAnswer: C
<answer>C</answer>
Answer: Ｃ。
答案：（C）
答案: C
答案：C。
答案是 C
答案为C
答案为：C
最终答案：C
最终答案是**C**
所以选C。
应选C
我选择C。
选择C
选C
所以正确选项为C。
正确的选项是C。
正确答案应该是C。
C是正确答案。
C正确。
选项C是正确的。
Réponse: C
La réponse est C.
Die richtige Antwort ist C.
La risposta corretta è C.
Ответ: C
正解はC
答えはCです。
정답은 C입니다.
"""
# no letter, or several at once
NONE = r"""
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
OTHERS = [
    ("A", "\\boxed{a}"),
    ("A", "\\boxed{A. I think so}"),
    ("I", "Answer: I"),
    ("I", "The answer is (I)."),
    ("A", "The answer is A."),
    ("A", "Answer: A"),
    ("A", "answer: a"),
    ("A", "(A) is correct."),
    ("A", "A is the correct answer."),
    ("A", "The answer is A because of it."),
    ("B", "<b>Answer:</b> B"),
    ("B", "<strong>B</strong>"),
    ("B", "The answer is \\textbf{B}."),
    ("B", "The answer is $\\mathbf{(B)}$."),
    ("B", "\\(\\boxed{\\text{B. } 12}\\)"),
    ("B", "Answer: \\boxed{B}"),
    ("B", "Answer: $\\boxed{\\text{B}}$."),
    ("B", "My answer: B"),
    ("B", "Choice: B"),
    ("B", "Option: B"),
    ("B", "The correct letter is B."),
    ("B", "Selected answer: B"),
    ("B", "Your answer: B"),
    ("B", "Correct Answer: B"),
    ("B", "Ans: B"),
    ("B", "Ans. B"),
    ("A", "Answer: A\n"),
    ("A", "Answer: (a)"),
    ("A", "<answer>x</answer> Answer: A"),
]


def lines(table):
    return [line.replace("\\n", "\n") for line in table.strip().split("\n")]


@pytest.mark.parametrize("text", lines(C))
def test_a_letter_is_read_in_the_forms_of_models(text):
    assert letter(text) == "C"


@pytest.mark.parametrize(("right", "text"), OTHERS)
def test_a_letter_that_may_be_a_word(right, text):
    assert letter(text) == right


@pytest.mark.parametrize("text", lines(NONE))
def test_no_letter(text):
    assert letter(text) is None


@pytest.mark.parametrize(
    "gold", ["C", "c", "(C)", "C.", "C)", "C) a wave", "**C**", r"\boxed{C}", "$C$", "Ｃ", "Answer: C", " C\n"]
)
def test_a_gold_letter_is_read_as_an_answer_is(gold):
    problem = Problem("q", gold, kind="choice")
    assert verify(Sample(problem, "<think>A?</think>Answer: C")) is True
    assert verify(Sample(problem, "<think>A?</think>Answer: A")) is False


@pytest.mark.parametrize("gold", ["2", "12 apples", "a wave", "A wave", "A, B", "AB", ""])
def test_a_gold_answer_that_is_no_letter_has_no_verdict(gold):
    assert verify(Sample(Problem("q", gold, kind="choice"), "Answer: A")) is None


def test_thoughts_are_no_answer():
    problem = Problem("q", "C", kind="choice")
    assert verify(Sample(problem, r"<think>so \boxed{C}</think>I do not know")) is False
    assert verify(Sample(problem, r"<think>so \boxed{C}")) is False


@pytest.mark.parametrize(
    ("completion", "answer", "step"),
    [
        (r"\boxed{(C)}", "C", "boxed letter"),
        ("Answer: C", "C", "said to be the answer"),
        ("Option C is correct.", "C", "said to be correct"),
        ("C) a wave", "C", "letter that stands first"),
        ("Answer: A or C", "", "several letters: A, C"),
        ("I do not know", "", "no letter"),
        ("<think>C", "", "no conclusion"),
    ],
)
def test_a_verdict_says_how_it_was_reached(completion, answer, step):
    verdict = check(Sample(Problem("q", "(C)", kind="choice"), completion))
    assert (verdict.gold, verdict.answer, verdict.step) == ("C", answer, step)


@pytest.mark.parametrize(
    "text", ["Answer: A\n", "A, ", "(", "A is correct. ", "answer is ", r"\boxed{A}", "answer:::: ", "\n", ". "]
)
def test_a_hostile_text_takes_no_time(text):
    start = time.perf_counter()
    letter("Answer: C" + text * (50_000 // len(text)))
    assert time.perf_counter() - start < 10
