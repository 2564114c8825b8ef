package reward

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
)

// maxItems is the longest list that is compared.
const maxItems = 200

// compareList compares items in any order: none may be missing, none may be there besides.
func compareList(answer, reference string) Reason {
	want := items(plain(unwrap(reference)))
	if len(want) == 0 {
		return NoReference
	}
	got := items(plain(answer))
	switch {
	case len(got) == 0:
		return NoAnswer
	case len(got) > maxItems:
		return TooLong
	case slices.Equal(got, want):
		return SameList
	}
	return Different
}

var listJoints = strings.NewReplacer(", and ", "\n", " and ", "\n", " & ", "\n", ", ", "\n", ";", "\n", "\n- ", "\n", "\n* ", "\n", "[", "", "]", "")

// items splits a list, written as JSON or with commas, semicolons or "and", into sorted items.
func items(s string) []string {
	var list []string
	if strings.HasPrefix(s, "[") {
		_ = json.Unmarshal([]byte(s), &list) // not JSON: a list in brackets
	}
	if len(list) == 0 {
		list = strings.Split(listJoints.Replace(s), "\n")
	}
	out := list[:0]
	for _, item := range list {
		var b [128]byte
		if w := appendWords(b[:0], item); len(w) > 0 {
			out = append(out, string(w))
		}
	}
	slices.Sort(out)
	return out
}
