package reward

import "bytes"

// truths are the words that say yes or no.
var truths = map[string]bool{
	"yes": true, "true": true, "yeah": true, "correct": true, "no": false, "false": false, "incorrect": false, "nope": false,
}

func isYesNo(words []byte) bool {
	return string(words) == "yes" || string(words) == "no" || string(words) == "true" || string(words) == "false"
}

// compareYesNo compares the first words, if the answer does not say the opposite later.
func compareYesNo(answer, reference string) Reason {
	var a, b [256]byte
	want, _, ok := truth(appendWords(b[:0], plain(reference)))
	if !ok {
		return NoReference
	}
	got, both, ok := truth(appendWords(a[:0], plain(answer)))
	switch {
	case !ok:
		return Unparsed
	case both:
		return Ambiguous
	case got == want:
		return Equal
	}
	return Different
}

// truth reads yes or no at the beginning of a text; both means that the other stands there too.
func truth(words []byte) (yes, both, ok bool) {
	first, rest, _ := bytes.Cut(words, space)
	switch string(first) {
	case "是", "对":
		return true, bytes.Contains(rest, []byte("否")), true
	case "否", "错", "不":
		return false, false, true
	}
	if yes, ok = truths[string(first)]; !ok {
		return false, false, false
	}
	for len(rest) > 0 {
		var w []byte
		w, rest, _ = bytes.Cut(rest, space)
		if other, is := truths[string(w)]; is && other != yes && (yes || string(w) == "yes" || string(w) == "true") {
			both = true
		}
	}
	return yes, both, true
}
