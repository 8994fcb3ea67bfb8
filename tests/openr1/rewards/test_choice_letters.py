"""Texts that give one letter, in the forms in which models write it."""

import pytest

from openr1.rewards.choice import read_letter

# a line each, with \n for an end of line
LETTER_C = r"""
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


@pytest.mark.parametrize("text", [line.replace("\\n", "\n") for line in LETTER_C.strip().split("\n")])
def test_a_letter_is_read_in_the_forms_of_models(text):
    assert read_letter(text) == "C"
