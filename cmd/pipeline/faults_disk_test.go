package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// fullDisks gives each verb a small disk with a random part of the room
// that it needs, and then a larger one.
func (w *world) fullDisks(t *testing.T) {
	if !canMount(t.TempDir()) {
		t.Skip("this user cannot mount a small file system")
	}
	n := faultsOf(t, 1)
	r := rand.New(rand.NewPCG(uint64(n), 12))
	for _, v := range faulty() {
		want, _ := w.whole(t, v)
		filled := 0
		for range n {
			if w.fill(t, v, want, r) {
				filled++
			}
		}
		t.Logf("disk full: %-16s %d disks, %d of them too small", v.name, n, filled)
	}
}

// fill runs a verb on a disk with room for the folder and a part of what comes, and reports
// whether the verb ran out of it.
func (w *world) fill(t *testing.T, v writer, want map[string]string, r *rand.Rand) (full bool) {
	t.Helper()
	dir := filepath.Join(w.home, "disk")
	if err := os.MkdirAll(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64m"); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	}()
	if err := os.CopyFS(dir, os.DirFS(w.base)); err != nil {
		t.Fatal(err)
	}
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		t.Fatal(err)
	}
	pages := int64(s.Blocks - s.Bfree)
	resize := func(bytes int64) {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%d", bytes)); err != nil {
			t.Fatal(err)
		}
	}
	resize((pages + 1 + r.Int64N(1+written(tree(t, w.base), want)/s.Bsize)) * s.Bsize)
	out, err := w.command(t.Context(), dir, v.args).CombinedOutput()
	if err != nil && !strings.Contains(string(out), "no space left on device") {
		t.Errorf("%s on a small disk: %v\n%s", v.name, err, out)
	}
	resize(64 << 20)
	w.again(t, v, dir, "a full disk", want)
	return err != nil
}

// written counts the bytes of the files that are new or others.
func written(before, after map[string]string) (n int64) {
	for name, data := range after {
		if before[name] != data {
			n += int64(len(data))
		}
	}
	return n
}

// noPermission takes the permission to write from each verb, and
// then gives it back.
func (w *world) noPermission(t *testing.T) {
	free, protect := w.asNobody(t)
	refused := 0
	for _, v := range faulty() {
		want, _ := w.whole(t, v)
		dir := w.fresh(t)
		before := tree(t, dir)
		protect(dir, 0o555)
		cmd := w.command(t.Context(), dir, v.args)
		free(cmd)
		out, err := cmd.CombinedOutput()
		switch exit, _ := errors.AsType[*exec.ExitError](err); {
		case v.name == "stream" && err == nil:
			t.Errorf("%s wrote its output into a folder that may not be written", v.name)
		case exit == nil || exit.ExitCode() != 1 || !strings.Contains(string(out), "permission denied"):
			t.Errorf("%s: %v\n%s", v.name, err, out)
		}
		refused++
		if !maps.Equal(before, tree(t, dir)) {
			t.Errorf("%s changed a folder that may not be written", v.name)
		}
		protect(dir, 0o755)
		w.again(t, v, dir, "permissions were taken away", want)
	}
	t.Logf("permissions: %d verbs refused, and done when they had them", refused)
}

// asNobody returns how to run a command without the rights of root, and how to set the mode of
// all folders below one.
func (w *world) asNobody(t *testing.T) (free func(*exec.Cmd), protect func(dir string, mode os.FileMode)) {
	t.Helper()
	protect = func(dir string, mode os.FileMode) {
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				err = os.Chmod(p, mode)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() != 0 {
		return func(*exec.Cmd) {}, protect
	}
	// The program and what it reads must be in reach of others.
	exe := filepath.Join(w.home, "pipeline")
	data, err := os.ReadFile(w.exe)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.WriteFile(exe, data, 0o755), os.Chmod(exe, 0o755), os.Chmod(filepath.Dir(w.home), 0o755)); err != nil {
		t.Fatal(err)
	}
	w.exe = exe
	const nobody = 65534
	free = func(cmd *exec.Cmd) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	probe := exec.CommandContext(context.Background(), exe, "--version")
	free(probe)
	if out, err := probe.CombinedOutput(); err != nil {
		t.Skipf("root cannot run the program as another user here: %v %s", err, out)
	}
	return free, protect
}
