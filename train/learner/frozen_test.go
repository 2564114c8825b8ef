package learner

import (
	"encoding/json"
	"flag"
	"math"
	"os"
	"testing"
)

var rewrite = flag.Bool("update", false, "rewrite the golden files")

const frozenFile = "testdata/frozen.json"

// A change that should not alter results shows the same series: supervised steps, then RL with
// two mini-batches and a reference. Vector instructions and the policy's layouts sum in other
// orders, so the numbers are held to five digits; bit-equality on one machine is tested beside.
func TestTheFrozenRunHasItsSeries(t *testing.T) {
	l := fresh(t, opened(t), 96)
	var got []Stats
	for seed := range uint64(6) {
		got = append(got, update(t, l, groups(seed%2, 6), Objective{Kind: SFT}))
	}
	for seed := range uint64(3) {
		trees := groups(20+seed, 6)
		offPolicy(t, l, trees)
		got = append(got, update(t, l, trees[:3], dapo), update(t, l, trees[3:], dapo))
	}
	if *rewrite {
		text, err := json.MarshalIndent(got, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(frozenFile, append(text, '\n'), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	text, err := os.ReadFile(frozenFile)
	if err != nil {
		t.Fatal(err)
	}
	var want []Stats
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Fatalf("%d steps, the file has %d", len(got), len(want))
	}
	for i := range want {
		a, b := got[i], want[i]
		for _, x := range [][2]float64{
			{a.Loss, b.Loss},
			{a.GradientNorm, b.GradientNorm},
			{a.Entropy, b.Entropy},
			{a.KL, b.KL},
			{a.Drift, b.Drift},
			{a.ClipShare, b.ClipShare},
			{a.Accuracy, b.Accuracy},
			{float64(a.Tokens), float64(b.Tokens)},
		} {
			if math.Abs(x[0]-x[1]) > 1e-5*(1+math.Abs(x[1])) {
				t.Errorf("step %d: %+v, want %+v", i, a, b)
				break
			}
		}
	}
}
