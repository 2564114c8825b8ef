package reward

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

// compareText compares an answer in words. A reference that is yes, no or a bare number asks for
// that and nothing else: "1" is not in "1984", nor "no" in "no doubt in 1984".
func compareText(answer, reference string, o *Options) Reason {
	answer, reference = plain(answer), plain(reference)
	if strings.IndexByte(answer, '\\') >= 0 {
		answer = latexText(answer) // \boxed{\text{Paris}}
	}
	var a, b [256]byte
	got, want := appendWords(a[:0], answer), appendWords(b[:0], reference)
	if len(want) == 0 {
		return NoReference
	}
	if bytes.Equal(got, want) {
		return Exact
	}
	if isYesNo(want) {
		return compareYesNo(answer, reference)
	}
	if isNumber(want) {
		return compareNumber(answer, reference, "", exactly)
	}
	if sameDate(got, want) {
		return Equal
	}
	if sentence, rest := cutSentence(answer); rest != "" {
		var c [256]byte
		if got = appendWords(c[:0], sentence); bytes.Equal(got, want) {
			return Exact
		}
		answer = sentence
	}
	if strings.Count(answer, ",")-strings.Count(reference, ",") <= 1 && within(got, want, o.ExtraWords) {
		return Contains
	}
	if len(got) == 0 {
		return NoAnswer
	}
	return Different
}

// appendWords appends the words of a text in lower case, with a space between them: no
// articles, accents or punctuation. A Han character or kana is a word. A text of nothing but
// articles keeps them.
func appendWords(dst []byte, s string) []byte {
	from := len(dst)
	s = unaccented(s)
	if dst = appendAllWords(dst, s, true); len(dst) == from {
		dst = appendAllWords(dst, s, false)
	}
	return dst
}

func appendAllWords(dst []byte, s string, dropArticles bool) []byte {
	from := len(dst)
	start := from // of the word being written
	end := func() {
		if dropArticles && isArticle(dst[start:]) {
			dst = dst[:start]
		}
		if n := len(dst); n > from && dst[n-1] != ' ' {
			dst = append(dst, ' ')
		}
		start = len(dst)
	}
	for i := 0; i < len(s); {
		r, size := utf8.DecodeRuneInString(s[i:])
		switch joins(s, i, r) {
		case partOfWord:
			dst = utf8.AppendRune(dst, unicode.ToLower(r))
		case aloneWord:
			end()
			dst = utf8.AppendRune(dst, r)
			end()
		case nothing:
		case between:
			end()
		}
		i += size
	}
	end()
	if n := len(dst); n > from {
		dst = dst[:n-1]
	}
	return dst
}

type joint uint8

const (
	between joint = iota
	nothing
	partOfWord
	aloneWord
)

// joins says what a character is to the word before it.
func joins(s string, i int, r rune) joint {
	switch {
	case r < utf8.RuneSelf && (isLetter(byte(r)) || isDigit(byte(r))):
		return partOfWord
	case r == '\'' || r == '`' || r == '*' || r == '_' || r == '"':
		return nothing
	case r == '%' || r == '&':
		return aloneWord
	case r == '+' || r == '#':
		return partOfWord
	case r == '.' || r == ',':
		inNumber := i > 0 && isDigit(s[i-1]) && i+1 < len(s) && isDigit(s[i+1])
		switch {
		case inNumber && r == '.':
			return partOfWord
		case inNumber, r == '.' && i+1 < len(s) && s[i+1] != ' ':
			return nothing
		}
		return between
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana):
		return aloneWord
	case unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r):
		return partOfWord
	}
	return between
}

func isArticle(w []byte) bool {
	return string(w) == "a" || string(w) == "an" || string(w) == "the"
}

// within reports whether want stands in got as whole words, got being at most extra words longer
// and saying nothing with them that turns or widens the answer.
func within(got, want []byte, extra int) bool {
	if len(want) == 0 || len(got) <= len(want) {
		return false
	}
	more := bytes.Count(got, space) - bytes.Count(want, space)
	if more <= 0 || more > extra {
		return false
	}
	for from := 0; ; {
		i := bytes.Index(got[from:], want)
		if i < 0 {
			return false
		}
		i += from
		to := i + len(want)
		if (i == 0 || got[i-1] == ' ') && (to == len(got) || got[to] == ' ') {
			return harmless(got[:i]) && harmless(got[to:])
		}
		from = i + 1
	}
}

var space = []byte(" ")

// turning are words that make of an answer another one, or more than one.
var turning = map[string]bool{
	"not": true, "no": true, "nor": true, "neither": true, "never": true, "or": true, "and": true, "&": true, "but": true,
	"wait": true, "actually": true, "except": true, "instead": true, "rather": true, "unlike": true, "without": true, "isnt": true,
	"wasnt": true, "arent": true, "incorrect": true, "wrong": true, "false": true, "unknown": true, "than": true, "either": true,
	"before": true, "after": true, "until": true, "since": true, "both": true, "other": true, "another": true, "non": true, "anti": true,
}

// harmless reports whether the words beside a reference leave it what it is. A number among
// them does not: "October 1952" is less than "20 October 1952".
func harmless(words []byte) bool {
	for len(words) > 0 {
		var w []byte
		w, words, _ = bytes.Cut(words, space)
		if turning[string(w)] || bytes.ContainsAny(w, "0123456789") {
			return false
		}
	}
	return true
}

// cutSentence cuts a line after its first sentence, unless what follows takes it back.
func cutSentence(s string) (sentence, rest string) {
	for i := 4; i+2 < len(s); i++ {
		if s[i] != '.' && s[i] != '!' || s[i+1] != ' ' || !unicode.IsUpper(rune(s[i+2])) {
			continue
		}
		word := s[strings.LastIndexAny(s[:i], " .")+1 : i]
		if len(word) < 4 && !isDigit(s[i-1]) {
			continue // St. Louis, J. K. Rowling
		}
		var b [512]byte
		if len(s)-i > len(b) || !harmlessRest(appendWords(b[:0], s[i+1:])) {
			return s, ""
		}
		return s[:i], s[i+1:]
	}
	return s, ""
}

// harmlessRest reports whether further sentences only explain.
func harmlessRest(words []byte) bool {
	for len(words) > 0 {
		var w []byte
		w, words, _ = bytes.Cut(words, space)
		switch string(w) {
		case "not", "no", "wait", "actually", "but", "or", "wrong", "incorrect", "correction", "alternatively", "however", "instead", "unless", "if":
			return false
		}
	}
	return true
}
