package reward

import "strings"

const endOfThought = "</think>"

// Final returns what a response says after its reasoning. finished is false where the reasoning
// was begun and not ended. A response without reasoning is final as a whole.
func Final(response string) (text string, finished bool) {
	after := -1
	for i := strings.Index(response, endOfThought); i >= 0; i = strings.Index(response[after:], endOfThought) {
		after = max(after, 0) + i + len(endOfThought)
	}
	switch {
	case after >= 0:
		return strings.TrimSpace(response[after:]), true
	case strings.Contains(response, "<think>"):
		return "", false
	}
	return strings.TrimSpace(response), true
}

// shortLine is how long, in bytes, a text may be that is taken as an answer though nothing
// announces one.
const shortLine = 200

// extract finds the answer: in the last \boxed{}, or after the last phrase that announces one,
// whichever comes later; else a final text of one short line is the answer itself.
func extract(final string) (string, Reason) {
	if final == "" {
		return "", NoAnswer
	}
	announced := lastAnnouncement(final)
	tail := final[max(announced, 0):]
	if box, ok := lastBox(tail); ok {
		return bounded(box)
	}
	if announced >= 0 {
		return bounded(firstLine(tail))
	}
	if len(final) <= shortLine && strings.IndexByte(final, '\n') < 0 {
		return bounded(final)
	}
	return "", NoAnswer
}

func bounded(answer string) (string, Reason) {
	answer = strings.TrimSpace(answer)
	switch {
	case answer == "":
		return "", NoAnswer
	case len(answer) > MaxAnswer:
		return clip(answer, MaxAnswer), TooLong
	}
	return answer, ReasonNone
}

// clip cuts a text to n bytes, not inside a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && s[n]&0xC0 == 0x80 {
		n--
	}
	return s[:n]
}

// lastAnnouncement returns where the last phrase such as "the answer is" ends, or -1. It goes
// backwards, since the phrase mostly stands near the end.
func lastAnnouncement(s string) int {
	for i := len(s) - 1; i >= 3; i-- {
		n := -1
		switch s[i] {
		case 'w', 'W':
			if i+3 <= len(s) && strings.EqualFold(s[i-3:i+3], "answer") {
				n = i + 3
			}
		case 'n', 'N', 'e', 'E':
			if hasSuffixFold(s[:i+1], " option") || hasSuffixFold(s[:i+1], " choice") {
				n = i + 1
			}
		case '#':
			if s[i-3:i+1] == "####" {
				return i + 1
			}
		case 0x88: // the last byte of 案
			if strings.HasSuffix(s[:i+1], "答案") {
				n = i + 1
			}
		}
		if n >= 0 {
			if to := connective(s[n:]); to >= 0 {
				return n + to
			}
		}
	}
	return -1
}

var connectives = []string{"would be", "should be", "is", "are", "was", "：", ":", "=", "应该是", "应为", "是", "为"}

// connective returns the length of what joins "answer" to the answer, or -1.
func connective(s string) int {
	rest := strings.TrimLeft(strings.TrimPrefix(s, "s"), " \t*_")
	for _, c := range connectives {
		if hasPrefixFold(rest, c) {
			after := rest[len(c):]
			if c[0] >= 'a' && c[0] <= 'z' && after != "" && isLetter(after[0]) {
				return -1
			}
			return len(s) - len(after)
		}
	}
	return -1
}

// firstLine returns the first line of an announced answer that says something, without the marks
// around it.
func firstLine(tail string) string {
	tail = strings.TrimLeft(tail, " \t\r\n*_:=\"`")
	tail = strings.TrimPrefix(tail, "：")
	line, _, _ := strings.Cut(tail, "\n")
	return strings.TrimRight(line, " \t\r*_`.")
}

// lastBox returns the content of the last \boxed{} of which the braces balance.
func lastBox(s string) (string, bool) {
	if !strings.Contains(s, `\boxed`) && !strings.Contains(s, `\fbox`) {
		return "", false
	}
	at := max(strings.LastIndex(s, `\boxed`), strings.LastIndex(s, `\fbox`))
	open := strings.IndexByte(s[at:], '{')
	if open < 0 || open > len(`\boxed `) {
		return "", false
	}
	body := s[at+open+1:]
	if n := closing(body); n >= 0 {
		return body[:n], true
	}
	return "", false
}

// closing returns where the brace that is open before s is closed, or -1.
func closing(s string) int {
	depth := 1
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '{':
			depth++
		case '}':
			if depth--; depth == 0 {
				return i
			}
		}
	}
	return -1
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

func hasSuffixFold(s, suffix string) bool {
	return len(s) >= len(suffix) && strings.EqualFold(s[len(s)-len(suffix):], suffix)
}
