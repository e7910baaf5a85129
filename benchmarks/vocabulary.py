"""Texts that nobody wrote, with the proportions of real ones: a few words are common, most are rare (Zipf's law)."""

import random
from collections.abc import Callable
from typing import Final

CHARACTERS: Final = 3_500  # Chinese ones, as many as a newspaper needs
WORDS: Final = 12_000  # of each language
MESSAGE_CHARS: Final = 200
# The commonest first.
_ONSETS = "t,s,th,w,h,b,m,f,c,d,p,l,r,g,n,st,sh,pr,tr,ch,y,v,cl,gr,br,k,bl,fr,qu,wh,sp,dr,str,fl,sc,j,sl,kn,sk,z"
_VOWELS = "e,a,i,o,u,ea,io,ou,ee,ai,oo,y,ie,au,oa,ue,ei,oi"
_CODAS = ",n,r,t,s,d,l,nt,nd,m,ng,st,c,ck,ss,rs,ll,x,p,th,sh,rd,rt,ct,b,k,ly,ght,gh,rk,lt,v"
_PARTS: Final = [parts.split(",") for parts in (_ONSETS, _VOWELS, _CODAS)]


class Vocabulary:
    """Chinese and English words, the commonest first. The same seed gives the same ones."""

    def __init__(self, seed: int = 1) -> None:
        self._chance = random.Random(seed)
        characters = [chr(code) for code in self._chance.sample(range(0x4E00, 0x9FA5), CHARACTERS)]
        weights = [1 / (place + 3) for place in range(CHARACTERS)]
        self.chinese = self._different(lambda: "".join(self._chance.choices(characters, weights, k=self._length())))
        self.english = self._different(lambda: "".join(self._syllable() for _ in range(self._length())))
        self._weights = [1 / (place + 8) ** 0.95 for place in range(WORDS)]

    def message(self) -> str:
        """One of about `MESSAGE_CHARS` characters, in one of the languages."""
        if self._chance.random() < 0.5:
            words = self._chance.choices(self.chinese, self._weights, k=MESSAGE_CHARS // 2)
            return "".join(word if self._chance.random() > 0.12 else f"{word}，" for word in words)[:MESSAGE_CHARS]
        return " ".join(self._chance.choices(self.english, self._weights, k=MESSAGE_CHARS // 4))[:MESSAGE_CHARS]

    def _different(self, make: Callable[[], str]) -> list[str]:
        found: dict[str, None] = {}
        while len(found) < WORDS:
            found[make()] = None
        return list(found)

    def _length(self) -> int:
        return self._chance.choices((1, 2, 3, 4), (15, 60, 18, 7))[0]

    def _syllable(self) -> str:
        return "".join(
            self._chance.choices(parts, [1 / (place + 2) for place in range(len(parts))])[0] for parts in _PARTS
        )
