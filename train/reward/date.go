package reward

import (
	"bytes"
	"strconv"
)

var months = map[string]int{
	"january": 1, "february": 2, "march": 3, "april": 4, "may": 5, "june": 6, "july": 7, "august": 8, "september": 9, "october": 10,
	"november": 11, "december": 12, "jan": 1, "feb": 2, "mar": 3, "apr": 4, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "sept": 9, "oct": 10, "nov": 11, "dec": 12,
}

// A date is a day, or only a month of a year.
type date struct{ year, month, day int }

// sameDate reports whether two texts are the same date, in whatever order each writes it.
func sameDate(a, b []byte) bool {
	x, ok := parseDate(a)
	if !ok {
		return false
	}
	y, ok := parseDate(b)
	return ok && x == y
}

// parseDate reads words as a date: "25 august 1963", "august 25th 1963", "1963 08 25", with "on"
// or "in" before it. Days and months as numbers are read in the order of ISO 8601 only.
func parseDate(words []byte) (d date, ok bool) {
	var numbers []int
	for len(words) > 0 {
		var w []byte
		w, words, _ = bytes.Cut(words, space)
		if m := months[string(w)]; m > 0 && d.month == 0 {
			d.month = m
			continue
		}
		switch string(w) {
		case "on", "in", "of":
			continue
		}
		w = bytes.TrimRight(w, "sthndr")
		if len(w) == 0 || !isDigit(w[0]) {
			return d, false
		}
		n, err := strconv.Atoi(string(w))
		if err != nil || len(numbers) == 3 {
			return d, false
		}
		numbers = append(numbers, n)
	}
	switch {
	case d.month == 0 && len(numbers) == 3 && numbers[0] > 31:
		d = date{numbers[0], numbers[1], numbers[2]}
	case d.month > 0 && len(numbers) == 2 && numbers[0] > 31:
		d.year, d.day = numbers[0], numbers[1]
	case d.month > 0 && len(numbers) == 2:
		d.day, d.year = numbers[0], numbers[1]
	case d.month > 0 && len(numbers) == 1 && numbers[0] > 31:
		d.year = numbers[0]
	case d.month > 0 && len(numbers) == 1:
		d.day = numbers[0]
	default:
		return d, false
	}
	return d, d.month <= 12 && d.day <= 31
}
