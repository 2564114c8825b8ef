package learner

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func drawTrees(t *rapid.T) []Tree {
	tokens := func(name string, low, high int) []int32 {
		return rapid.SliceOfN(rapid.Int32Range(0, vocab-1), low, high).Draw(t, name)
	}
	return rapid.SliceOfN(rapid.Custom(func(*rapid.T) Tree {
		tree := Tree{Prompt: tokens("prompt", 1, 40)}
		for range rapid.IntRange(0, 4).Draw(t, "branches") {
			b := Branch{Tokens: tokens("tokens", 0, 9)}
			b.Given = rapid.IntRange(0, len(b.Tokens)).Draw(t, "given")
			tree.Branches = append(tree.Branches, b)
		}
		return tree
	}), 1, 12).Draw(t, "trees")
}

// Whatever the packing: every tree is laid out once and whole, every response token has one
// slot, its source is the token before it, no row is longer than its shape, and the micro-batch
// is within its budget unless a single row is larger.
func TestPackingLosesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trees := drawTrees(t)
		p := Packing{MicroTokens: rapid.IntRange(1, 300).Draw(t, "micro"), Join: rapid.Bool().Draw(t, "join")}
		seen := make([]int, len(trees))
		slots := 0
		for _, m := range pack(trees, p) {
			s := m.shape
			if s.Rows*s.Length > max(p.MicroTokens, s.Length) {
				t.Fatalf("%v is over the budget of %d", s, p.MicroTokens)
			}
			for _, r := range m.rows {
				if r.length > s.Length || r.slots > s.Slots || len(m.rows) > s.Rows {
					t.Fatalf("a row of %d tokens, %d slots does not fit %v", r.length, r.slots, s)
				}
				for _, i := range r.trees {
					seen[i]++
				}
			}
			a := layOut(trees, m, func(tree, _ int) float32 { return float32(tree + 1) })
			slots += len(a.places)
			checkPlaces(t, trees, a)
		}
		want := 0
		for i := range trees {
			want += trees[i].Slots()
			if seen[i] != 1 {
				t.Fatalf("tree %d is laid out %d times", i, seen[i])
			}
		}
		if slots != want {
			t.Fatalf("%d slots for %d tokens", slots, want)
		}
	})
}

// checkPlaces follows each slot back: the tokens that its source can see are the prompt and the
// branch up to it, in order.
func checkPlaces(t *rapid.T, trees []Tree, a *arrays) {
	for _, at := range a.places {
		tree := &trees[at.tree]
		b := &tree.Branches[at.branch]
		want := slices.Concat(tree.Prompt, b.Tokens[:b.Given+at.token])
		if a.targets[at.slot] != b.Response()[at.token] || a.weights[at.slot] != float32(at.tree+1) {
			t.Fatalf("%+v: target %d, weight %v", at, a.targets[at.slot], a.weights[at.slot])
		}
		source := int(a.sources[at.slot])
		var got []int32
		for j := source / a.shape.Length * a.shape.Length; j <= source; j++ {
			if a.segments[j] == a.segments[source] && (a.branches[j] == 0 || a.branches[j] == a.branches[source]) {
				if int(a.positions[j]) != len(got) {
					t.Fatalf("%+v: token %d has position %d", at, len(got), a.positions[j])
				}
				got = append(got, a.ids[j])
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%+v sees %v, want %v", at, got, want)
		}
	}
}

func TestSharesOfTheLossAddUpToOne(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		trees := drawTrees(t)
		for _, norm := range []Norm{"", TokenNorm, ResponseNorm} {
			weigh := Objective{Norm: norm}.weigher(trees)
			total, any := 0.0, false
			for i := range trees {
				for j := range trees[i].Branches {
					n := len(trees[i].Branches[j].Response())
					if n > 0 {
						total, any = total+float64(n)*float64(weigh(i, j)), true
					}
				}
			}
			if any && (total < 0.9999 || total > 1.0001) {
				t.Fatalf("%q: the shares add up to %v", norm, total)
			}
		}
	})
}

func TestBucketsAreFewAndWasteAtMostAThird(t *testing.T) {
	buckets := map[int]bool{}
	for n := 1; n <= 100_000; n++ {
		b := bucketUp(n)
		if b < n || 3*(b-n) > b {
			t.Fatalf("%d goes to %d", n, b)
		}
		buckets[b] = true
	}
	if len(buckets) > 35 {
		t.Errorf("%d buckets", len(buckets))
	}
}
