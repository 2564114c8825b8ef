package dataset_test

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/longctx/pipeline/dataset"
)

func TestChangesNameEveryPlaceThatDiffers(t *testing.T) {
	type inner struct{ X, Y int }
	type value struct {
		Same  string
		Other string
		In    inner
		List  []int
		Only  *inner `json:",omitempty"`
	}
	got, err := dataset.Changes(value{"s", "a", inner{1, 2}, []int{1}, nil}, value{"s", "b", inner{1, 3}, []int{1, 2}, &inner{}})
	if err != nil {
		t.Fatal(err)
	}
	want := []dataset.Change{
		{Path: "In.Y", A: "2", B: "3"},
		{Path: "List", A: "[1]", B: "[1,2]"},
		{Path: "Only", A: "nothing", B: `{"X":0,"Y":0}`},
		{Path: "Other", A: `"a"`, B: `"b"`},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("(-want +got):\n%s", d)
	}
}

func TestChangesAreNoneWhereNothingDiffers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.MapOf(rapid.String(), rapid.SliceOf(rapid.Int())).Draw(t, "value")
		if got, err := dataset.Changes(v, v); err != nil || len(got) > 0 {
			t.Fatalf("%v, %v", got, err)
		}
		if len(v) == 0 {
			return
		}
		w := map[string][]int{}
		for k, list := range v {
			w[k] = append(slices.Clone(list), 7)
		}
		if got, err := dataset.Changes(v, w); err != nil || len(got) != len(v) {
			t.Fatalf("%d changes of %d, %v", len(got), len(v), err)
		}
	})
}
