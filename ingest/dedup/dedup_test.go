package dedup

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestWordsAreRunsOfLettersAndDigits(t *testing.T) {
	for text, want := range map[string]string{
		"The  Revenue, in 2019: $1,234.5!": "the revenue in 2019 1 234 5",
		"ÉCOLE Straße naïve":               "école straße naïve",
		"长文本 reasoning":                    "长 文 本 reasoning",
		"-- \n\t..":                        "",
		"don't\x00stop":                    "don t stop",
	} {
		if got := Words(text, 0, 100); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
		if got := len(Hash(nil, text)); got != len(strings.Fields(want)) {
			t.Errorf("%q: %d hashes", text, got)
		}
	}
}

func TestHashAndWordsSeeTheSameWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.RuneFrom([]rune("aBz09 .é長'Kи\n"))).Draw(t, "text")
		hashes := Hash(nil, text)
		words := strings.Fields(Words(text, 0, len(text)+1))
		if len(words) != len(hashes) {
			t.Fatalf("%q: %d words %q, %d hashes", text, len(words), words, len(hashes))
		}
		for i, w := range words {
			if Words(text, i, 1) != w {
				t.Fatalf("word %d of %q is %q and %q", i, text, w, Words(text, i, 1))
			}
			if again := Hash(nil, w); len(again) != 1 || again[0] != hashes[i] {
				t.Fatalf("word %q of %q hashes otherwise alone", w, text)
			}
		}
	})
}

// twoSets makes two word lists whose sets of shingles have about the given similarity, and
// returns the exact one.
func twoSets(r *rand.Rand, words int, similarity float64) (a, b []uint64, exact float64) {
	for i := range words {
		w := mix(uint64(r.Uint64() + uint64(i)))
		a = append(a, w)
	}
	b = slices.Clone(a)
	// A changed word changes five shingles on both sides.
	changed := int(math.Round(float64(words) * (1 - similarity) / (1 + similarity) / ShingleWords))
	for i := range changed {
		b[i*words/max(changed, 1)] = r.Uint64()
	}
	sets := [2]map[uint64]bool{{}, {}}
	for i, l := range [][]uint64{a, b} {
		grams(l, ShingleWords, func(h uint64) { sets[i][h] = true })
	}
	both := 0
	for h := range sets[0] {
		if sets[1][h] {
			both++
		}
	}
	return a, b, float64(both) / float64(len(sets[0])+len(sets[1])-both)
}

// The bounds are five standard errors of the mean, and the standard error itself.
func TestSignaturesEstimateTheJaccardIndexOfShortAndLongDocuments(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for _, words := range []int{40, 300, 3000} {
		for _, want := range []float64{0.2, 0.5, 0.8, 0.95} {
			const trials = 120
			var sum, squares, exact float64
			for range trials {
				a, b, j := twoSets(r, words, want)
				s, u := Sign(a), Sign(b)
				d := s.Similarity(&u) - j
				sum, squares, exact = sum+d, squares+d*d, exact+j/trials
			}
			bias, rms := sum/trials, math.Sqrt(squares/trials)
			most := math.Sqrt(exact*(1-exact)/bins) + 0.001
			if math.Abs(bias) > 5*most/math.Sqrt(trials) || rms > 1.2*most {
				t.Errorf("%d words, similarity %.2f: bias %.4f, error %.4f; at most %.4f is the theory", words, exact, bias, rms, most)
			}
		}
	}
}

func TestOneWordRepeatedHasASignatureWithoutEmptyBins(t *testing.T) {
	words := Hash(nil, strings.Repeat("buffalo ", 10_000))
	s, few := Sign(words), Sign(words[:ShingleWords])
	if s != few {
		t.Error("a set with one shingle has two signatures")
	}
	if s.Similarity(&Signature{}) > 0.1 {
		t.Error("most bins were never filled")
	}
	if Sign(nil) != (Signature{}) {
		t.Error("a document without words has a signature")
	}
}

func TestSignaturesSurviveTheirBytes(t *testing.T) {
	s := Sign(Hash(nil, "some words of a document that is long enough"))
	got, ok := SignatureOf(s.Append(nil))
	if !ok || got != s {
		t.Error("the signature came back as another one")
	}
	if _, ok := SignatureOf(make([]byte, 5)); ok {
		t.Error("five bytes were taken for a signature")
	}
}

func TestTheIndexNamesTheFirstNearTextOfTheSameGroup(t *testing.T) {
	x, err := NewIndex(0.8, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(3, 3))
	a, b, _ := twoSets(r, 2000, 0.97)
	other, _, _ := twoSets(r, 2000, 1)
	sa, sb, so := Sign(a), Sign(b), Sign(other)
	type answer struct {
		Near  int
		Found bool
	}
	var got []answer
	for _, c := range []struct {
		s     *Signature
		group uint64
	}{{&so, 1}, {&sa, 1}, {&sb, 1}, {&sb, 2}, {&sa, 1}, {&sa, 2}} {
		near, _, found := x.Add(c.s, c.group)
		got = append(got, answer{near, found})
	}
	want := []answer{{0, false}, {1, false}, {1, true}, {2, false}, {1, true}, {2, true}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestTheIndexFindsWhatComparingAllPairsFinds(t *testing.T) {
	for _, threshold := range []float64{0.6, 0.85} {
		r := rand.New(rand.NewPCG(9, 1))
		var texts []Signature
		for range 300 {
			a, b, _ := twoSets(r, 400, 0.5+r.Float64()/2)
			texts = append(texts, Sign(a), Sign(b))
		}
		x, err := NewIndex(threshold, 0)
		if err != nil {
			t.Fatal(err)
		}
		var kept []Signature
		missed, pairs := 0, 0
		for i := range texts {
			want := slices.IndexFunc(kept, func(s Signature) bool { return texts[i].Similarity(&s) >= threshold })
			near, similarity, found := x.Add(&texts[i], 0)
			if want >= 0 {
				pairs++
			}
			switch {
			case found && near != want:
				t.Fatalf("text %d: near %d, and %d is the first", i, near, want)
			case found && similarity < threshold:
				t.Fatalf("text %d: similarity %.2f", i, similarity)
			case !found && want >= 0:
				missed++
			}
			if !found {
				kept = append(kept, texts[i])
			}
		}
		if x.Len() != len(kept) || pairs < 30 {
			t.Fatalf("%d kept, index has %d; %d pairs", len(kept), x.Len(), pairs)
		}
		if missed*20 > pairs {
			t.Errorf("threshold %.2f: %d of %d near texts were missed, the bands should find 19 of 20", threshold, missed, pairs)
		}
	}
}

func TestAThresholdThatTheBandsCannotFindIsRefused(t *testing.T) {
	for _, bad := range []float64{0, 0.3, 1.01, math.NaN()} {
		if _, err := NewIndex(bad, 1); err == nil {
			t.Errorf("%g was taken", bad)
		}
	}
}

func TestGramsFindTheFirstRunOfWordsAndItsOrigin(t *testing.T) {
	g := NewGrams(4)
	if g.Add(Hash(nil, "too short here"), 0, 1) {
		t.Error("three words have an n-gram of four")
	}
	g.Add(Hash(nil, "which river flows through the old town"), 1, 1)
	g.Add(Hash(nil, "the river flows through the plain"), 2, 1)
	g.Seal()
	at, origin, ok := g.Find(Hash(nil, "We know. The RIVER flows, through the plain!"))
	if !ok || at != 2 || origin != 2 {
		t.Errorf("got %d, %d, %v", at, origin, ok)
	}
	if at, origin, ok = g.Find(Hash(nil, "Tell me: river flows through the meadow")); !ok || at != 2 || origin != 1 {
		t.Errorf("got %d, %d, %v; the first text that has it is 1", at, origin, ok)
	}
	if _, _, ok := g.Find(Hash(nil, "which river flows here through the old road")); ok {
		t.Error("three words in common are four")
	}
}

func TestAStrideStillFindsALongerOverlap(t *testing.T) {
	var text []string
	for i := range 200 {
		text = append(text, fmt.Sprint("w", i))
	}
	g := NewGrams(13)
	g.Add(Hash(nil, strings.Join(text, " ")), 0, 13)
	g.Seal()
	for from := range 100 {
		if _, _, ok := g.Find(Hash(nil, strings.Join(text[from:from+25], " "))); !ok {
			t.Fatalf("25 words from %d share no n-gram", from)
		}
	}
}

func TestPhrasesOfATemplateAreNoEvidence(t *testing.T) {
	g := NewGrams(3)
	for i := range commonMost + 1 {
		g.Add(Hash(nil, fmt.Sprintf("answer the question %d %d %d", i, i+1, i+2)), i, 1)
	}
	g.Seal()
	if _, _, ok := g.Find(Hash(nil, "answer the question")); ok {
		t.Error("a phrase of eleven texts is evidence")
	}
	if _, origin, ok := g.Find(Hash(nil, "question 7 8 9")); !ok || origin != 7 {
		t.Error("the n-gram of one text is lost")
	}
}

func TestOfSeveralNearTextsTheFirstIsNamed(t *testing.T) {
	tried := 0
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 5))
		middle, _, _ := twoSets(r, 4000, 1)
		head, tail := slices.Clone(middle), slices.Clone(middle)
		for i := range 300 { // 0.86 to the middle, 0.74 to each other
			head[i], tail[len(tail)-1-i] = r.Uint64(), r.Uint64()
		}
		x, err := NewIndex(0.8, 0)
		if err != nil {
			t.Fatal(err)
		}
		h, l, m := Sign(head), Sign(tail), Sign(middle)
		x.Add(&h, 0)
		x.Add(&l, 0)
		if x.Len() < 2 || m.Similarity(&h) < 0.8 || m.Similarity(&l) < 0.8 {
			continue // estimates err
		}
		tried++
		if near, _, found := x.Add(&m, 0); found && near != 0 {
			t.Errorf("seed %d: text %d is named, and the first is near too", seed, near)
		}
	}
	if tried < 10 {
		t.Errorf("only %d of 30 cases show anything", tried)
	}
}

func TestGroupsNeverMeetHoweverFullTheTable(t *testing.T) {
	x, err := NewIndex(0.8, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := Sign(Hash(nil, "the same few words in every group of them"))
	for group := range uint64(2000) {
		if near, _, found := x.Add(&s, group); found {
			t.Fatalf("group %d is near text %d of another one", group, near)
		}
	}
	if near, similarity, found := x.Add(&s, 1234); !found || near != 1234 || similarity != 1 {
		t.Errorf("%d, %v, %v", near, similarity, found)
	}
}
