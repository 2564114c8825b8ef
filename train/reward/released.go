package reward

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// released scores as the released code of QwenLong-L1 does, by RECIPE section 5. Where that code
// would crash on a reference, which must be written as a response is, the bare reference is
// taken; where it crashes on something else, the reward is unknown.
func released(r Request) Verdict {
	rule := releasedRule(r.DataSource)
	if rule == nil {
		return Verdict{Reason: UnknownSource}
	}
	if !anyReference(r.References) {
		return Verdict{Reason: NoReference}
	}
	best := Verdict{Reason: NoReference}
	for _, reference := range r.References {
		reason, answer := rule(r.Response, reference)
		v := byRule(reason, clip(answer, MaxAnswer))
		if best.Reason == NoReference || reason.Right() {
			best = v
		}
		if reason.Right() {
			break
		}
	}
	return best
}

// releasedRule routes by parts of the name, in the order of the released code.
func releasedRule(dataSource string) func(response, reference string) (Reason, string) {
	switch {
	case dataSource == "openai/gsm8k":
		return releasedHashes
	case strings.Contains(dataSource, "long_toc_choices"):
		return releasedChoice
	case strings.Contains(dataSource, "docmath"):
		return releasedNumber
	case strings.Contains(dataSource, "multihoprag"), strings.Contains(dataSource, "musique"):
		return releasedText
	}
	return nil
}

// releasedFinal is what follows the last </think>; without it there is no answer.
func releasedFinal(response string) (string, Reason) {
	if !strings.Contains(response, endOfThought) {
		return "", NotFinished
	}
	final, _ := Final(response)
	final = trimSpaces(final)
	if final == "" {
		return "", NoAnswer
	}
	return strings.ReplaceAll(final, "*", ""), ReasonNone
}

// releasedText looks for either answer in the other.
func releasedText(response, reference string) (Reason, string) {
	final, reason := releasedFinal(response)
	if reason != ReasonNone {
		return reason, ""
	}
	answer, ok := releasedPhrase(final)
	if !ok || answer == "" {
		return NoAnswer, ""
	}
	gold := strings.ReplaceAll(reference, "*", "")
	if inner, ok := releasedPhrase(gold); ok {
		gold = inner
	}
	got, want := squad(answer), squad(gold)
	switch {
	case got == want:
		return Exact, answer
	case strings.Contains(got, want), strings.Contains(want, got):
		return Contains, answer
	}
	return Different, answer
}

// releasedPhrase returns what follows the last "the answer is", in this case only.
func releasedPhrase(s string) (string, bool) {
	const phrase = "the answer is"
	if !strings.Contains(s, phrase) {
		return "", false
	}
	s = trimSpaces(s[strings.LastIndex(s, phrase)+len(phrase):])
	s = strings.ReplaceAll(s, "<｜Assistant｜>", "")
	s = strings.ReplaceAll(s, "<｜end▁of▁sentence｜>", "")
	return trimSpaces(strings.Trim(trimSpaces(s), ".")), true
}

// squad is the normalization of SQuAD: lower case, no ASCII punctuation, no articles, single spaces.
func squad(s string) string {
	b := make([]byte, 0, len(s))
	for _, r := range s {
		if r < utf8.RuneSelf && (unicode.IsPunct(r) || unicode.IsSymbol(r)) {
			continue
		}
		b = utf8.AppendRune(b, unicode.ToLower(r))
	}
	out := b[:0]
	for i := 0; i < len(b); {
		r, size := utf8.DecodeRune(b[i:])
		if pythonSpace(r) {
			i += size
			continue
		}
		// A run of word characters may be an article even with signs beside it: "a—b" has one.
		from := i
		word := pythonWord(r)
		for i < len(b) {
			r, size = utf8.DecodeRune(b[i:])
			if pythonSpace(r) || pythonWord(r) != word {
				break
			}
			i += size
		}
		out = appendPiece(out, b, from, i, word)
	}
	return strings.TrimSuffix(string(out), " ")
}

// appendPiece appends b[from:to], joined to what stands right before it, unless it is an article.
func appendPiece(out, b []byte, from, to int, word bool) []byte {
	if word && isArticle(b[from:to]) {
		if n := len(out); n > 0 && out[n-1] != ' ' {
			out = append(out, ' ')
		}
		return out
	}
	out = append(out, b[from:to]...)
	if r, _ := utf8.DecodeRune(b[to:]); to < len(b) && pythonSpace(r) {
		out = append(out, ' ')
	}
	return out
}

// releasedChoice compares letters, of which the one in brackets goes first.
func releasedChoice(response, reference string) (Reason, string) {
	final, reason := releasedFinal(response)
	if reason != ReasonNone {
		return reason, ""
	}
	got := releasedLetter(final)
	if got == "" {
		return NoAnswer, ""
	}
	want := releasedLetter(strings.ReplaceAll(reference, "*", ""))
	if want == "" {
		if want = strings.Trim(trimSpaces(reference), "()."); len(want) != 1 || want[0] < 'A' || want[0] > 'D' {
			return NoReference, got
		}
	}
	if got == want {
		return Choice, got
	}
	return Different, got
}

func releasedLetter(s string) string {
	const phrase = "The correct answer is "
	bare := ""
	for {
		i := strings.Index(s, phrase)
		if i < 0 {
			return bare
		}
		s = s[i+len(phrase):]
		if len(s) > 2 && s[0] == '(' && s[1] >= 'A' && s[1] <= 'D' && s[2] == ')' {
			return s[1:2]
		}
		if bare == "" && s != "" && s[0] >= 'A' && s[0] <= 'D' {
			bare = s[:1]
		}
	}
}

// releasedHashes is the rule of GSM8K: the characters after the first "#### " are the reference's.
func releasedHashes(response, reference string) (Reason, string) {
	for {
		i := strings.Index(response, "#### ")
		if i < 0 {
			return NoAnswer, ""
		}
		response = response[i+len("#### "):]
		n := 0
		if strings.HasPrefix(response, "-") {
			n++
		}
		from := n
		for n < len(response) && (isDigit(response[n]) || response[n] == '.' || response[n] == ',') {
			n++
		}
		if n == from {
			continue
		}
		answer := strings.ReplaceAll(response[:n], ",", "")
		if answer == reference {
			return Equal, answer
		}
		return Different, answer
	}
}

// pythonSpace and pythonWord are the classes \s and \w of Python's patterns.
func pythonSpace(r rune) bool { return unicode.IsSpace(r) || r >= 0x1c && r <= 0x1f }

func pythonWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r) }

func trimSpaces(s string) string { return strings.TrimFunc(s, pythonSpace) }
