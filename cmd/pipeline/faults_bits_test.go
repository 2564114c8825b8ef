package main

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// readers are verbs that read a dataset. Damage is status 12, or it does not touch what they
// read: then they give the same bytes as on the sound dataset, and never others.
var readers = []writer{
	{"stream", "stream data --plan plan.parquet --batch 5 --no-cache --output read", "read"},
	{"export", "export data --plan plan.parquet --format hf --output read.parquet", "read.parquet"},
	{"sample", "sample data --phase 1 --run third --seed 7 --output read.parquet", "read.parquet"},
	{"rewards export", "rewards export data --format parquet --output read.parquet", "read.parquet"},
}

const statusCorrupt = 12

// flips turns one bit at a time in every file that a
// dataset and its history have: at a random place, and swept over all regions of it.
func (w *world) flips(t *testing.T) {
	dir := w.fresh(t)
	w.must(t, dir, "build --force --input docs.jsonl --input bad.jsonl --max-bad 50% --tokenizer bytes --split-size 32KiB --phases 4000,20000 --output data")
	w.must(t, dir, "sample data --phase 1 --run third --seed 7 --epochs 2 --output plan.parquet")
	w.must(t, dir, "rewards compact data")
	sound := map[string]string{}
	for _, v := range readers {
		w.must(t, dir, v.args)
		sound[v.name] = readFile(t, dir, v.file)
	}
	r := rand.New(rand.NewPCG(3, 14))
	regions := faultsOf(t, 0)
	files, bits, found := 0, 0, map[string]int{}
	all := readTree(t, filepath.Join(dir, "data"))
	for i, name := range slices.Sorted(maps.Keys(all)) {
		data := all[name]
		if len(data) == 0 || regions == 0 && i%3 != 0 {
			continue // a lock; or there are only few faults to try
		}
		files++
		places := []int{r.IntN(len(data))}
		for i := range regions {
			places = append(places, (2*i+1)*len(data)/(2*regions))
		}
		for _, at := range places {
			bit := byte(1) << r.IntN(8)
			bits++
			flip(t, filepath.Join(dir, "data", name), at, bit)
			w.damaged(t, dir, fmt.Sprintf("bit %#x of byte %d of %s", bit, at, name), sound, found)
			flip(t, filepath.Join(dir, "data", name), at, bit)
		}
	}
	t.Logf("flipped bits: %d in %d files; found by verify %d, and in what they read by stream %d, export %d, sample %d, rewards export %d",
		bits, files, found["verify"], found["stream"], found["export"], found["sample"], found["rewards export"])
	for _, v := range readers {
		if found[v.name] == 0 && regions > 0 {
			t.Errorf("%s found no damage at all", v.name)
		}
	}
}

// damaged runs verify and the readers on a dataset with damage.
func (w *world) damaged(t *testing.T, dir, what string, sound map[string]string, found map[string]int) {
	t.Helper()
	if out, status := w.status(t, dir, "verify data"); status != statusCorrupt {
		t.Errorf("%s: verify: status %d %s", what, status, out)
	}
	found["verify"]++
	for _, v := range readers {
		if err := os.RemoveAll(filepath.Join(dir, v.file)); err != nil {
			t.Fatal(err)
		}
		switch out, status := w.status(t, dir, v.args); {
		case status == statusCorrupt:
			found[v.name]++
		case status != 0:
			t.Errorf("%s: %s: status %d %s", what, v.name, status, out)
		case readFile(t, dir, v.file) != sound[v.name]:
			t.Errorf("%s: %s gives other bytes and says nothing", what, v.name)
		}
	}
}

func (w *world) status(t *testing.T, dir, args string) (out string, status int) {
	t.Helper()
	text, err := w.command(t.Context(), dir, args).CombinedOutput()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return string(text), exit.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(text), 0
}

func readFile(t *testing.T, dir, name string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func flip(t *testing.T, name string, at int, bit byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	var b [1]byte
	_, err = f.ReadAt(b[:], int64(at))
	b[0] ^= bit
	_, err2 := f.WriteAt(b[:], int64(at))
	if err := errors.Join(err, err2, f.Close()); err != nil {
		t.Fatal(err)
	}
}
