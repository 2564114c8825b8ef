package remote

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/minio/minio-go/v7"
)

// startS3 runs a real S3 server, versitygw, over a folder. PIPELINE_VERSITYGW names the program:
// `make interop-s3` builds it.
func startS3(t *testing.T) *minio.Client {
	program := os.Getenv("PIPELINE_VERSITYGW")
	if program == "" {
		t.Skip("PIPELINE_VERSITYGW does not name an S3 server; make interop-s3 builds one")
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	cmd := exec.Command(program, "--port", address, "--access", "key", "--secret", "secret", "posix", t.TempDir())
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL": "http://" + address, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
		"AWS_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	c, err := s3Client(os.Getenv)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		if err = c.MakeBucket(t.Context(), "bucket", minio.MakeBucketOptions{}); err == nil {
			return c
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal(err)
	return nil
}

func put(t *testing.T, c *minio.Client, key, content string) {
	t.Helper()
	if _, err := c.PutObject(t.Context(), "bucket", key, strings.NewReader(content), int64(len(content)), minio.PutObjectOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestObjectsOfS3AreBroughtByPattern(t *testing.T) {
	c := startS3(t)
	big := strings.Repeat("{\"question\":\"q\"}\n", 200_000)
	put(t, c, "docs/a.jsonl", big)
	put(t, c, "docs/deep/b c.jsonl", "{}\n")
	put(t, c, "docs/c.txt", "no")
	f := New(Options{Cache: t.TempDir(), Wait: time.Millisecond})
	got, err := f.Files(t.Context(), "s3://bucket/docs/**/*.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"docs/a.jsonl": big, "docs/deep/b c.jsonl": "{}\n"}, contents(t, got)); diff != "" {
		t.Error(diff[:min(len(diff), 500)])
	}
	put(t, c, "docs/deep/b c.jsonl", "{}\n{}\n")
	got, err = f.Files(t.Context(), "s3://bucket/docs/deep/b c.jsonl")
	if err != nil || contents(t, got)["docs/deep/b c.jsonl"] != "{}\n{}\n" {
		t.Errorf("a changed object: %v, %v", got, err)
	}
	blobs, _ := filepath.Glob(filepath.Join(f.o.Cache, "blobs", "*"))
	if len(blobs) != 3 {
		t.Errorf("the cache has %d contents, want 3", len(blobs))
	}
	for address, want := range map[string]string{
		"s3://bucket/none*": "no object matches",
		"s3://other/x":      "The specified bucket does not exist",
		"s3://bucket":       "not the address of an object",
	} {
		if _, err := f.Files(t.Context(), address); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", address, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := f.Files(ctx, "s3://bucket/docs/a.jsonl"); err == nil {
		t.Error("a stopped call ended well")
	}
}
