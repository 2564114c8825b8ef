package remote

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/bmatcuk/doublestar/v4"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// signedFor is how long a signed address is good; a download that takes longer begins anew.
const signedFor = 12 * time.Hour

// s3Client takes endpoint and keys from the environment, files and instance that the AWS tools
// take them from.
func s3Client(getenv func(string) string) (*minio.Client, error) {
	endpoint := getenv("AWS_ENDPOINT_URL_S3")
	if endpoint == "" {
		endpoint = getenv("AWS_ENDPOINT_URL")
	}
	if endpoint == "" {
		endpoint = "https://s3.amazonaws.com"
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("AWS_ENDPOINT_URL: %q is not an address", endpoint)
	}
	region := getenv("AWS_REGION")
	if region == "" {
		region = getenv("AWS_DEFAULT_REGION")
	}
	chain := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
	if getenv("AWS_EC2_METADATA_DISABLED") != "true" {
		chain = append(chain, &credentials.IAM{})
	}
	return minio.New(u.Host, &minio.Options{Creds: credentials.NewChainCredentials(chain), Secure: u.Scheme == "https", Region: region})
}

// s3Files brings the objects of a bucket that match a pattern, each by its ETag.
func (f *Fetcher) s3Files(ctx context.Context, address string) (Fetched, error) {
	bucket, pattern, _ := strings.Cut(strings.TrimPrefix(address, "s3://"), "/")
	if bucket == "" || pattern == "" {
		return Fetched{}, errors.New("not the address of an object: s3://BUCKET/KEY or a pattern of keys")
	}
	if !doublestar.ValidatePattern(pattern) {
		return Fetched{}, fmt.Errorf("bad pattern %q", pattern)
	}
	got := Fetched{Folder: filepath.Join(f.o.Cache, "files", "s3", bucket)}
	if f.o.Offline {
		return got, fmt.Errorf("%w: objects of S3 are asked for each time", ErrOffline)
	}
	c, err := s3Client(os.Getenv)
	if err != nil {
		return got, err
	}
	prefix, _, _ := strings.Cut(pattern, "*")
	if i := strings.IndexAny(prefix, "?[{"); i >= 0 {
		prefix = prefix[:i]
	}
	for o := range c.ListObjects(ctx, bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return got, o.Err
		}
		if o.Key != pattern && !doublestar.MatchUnvalidated(pattern, o.Key) || !filepath.IsLocal(filepath.FromSlash(o.Key)) {
			continue
		}
		local := filepath.Join(got.Folder, short(o.ETag), filepath.FromSlash(o.Key))
		if err := f.bringObject(ctx, c, bucket, o, local); err != nil {
			return got, fmt.Errorf("%s: %w", o.Key, err)
		}
		got.Files = append(got.Files, File{local, o.Key})
	}
	if len(got.Files) == 0 {
		return got, fmt.Errorf("no object matches %q", pattern)
	}
	sortByName(got.Files)
	return got, nil
}

// bringObject brings one object over an address that is signed for it, so that the ranges, tries
// and checks are those of any other file.
func (f *Fetcher) bringObject(ctx context.Context, c *minio.Client, bucket string, o minio.ObjectInfo, local string) error {
	signed, err := c.PresignedGetObject(ctx, bucket, o.Key, signedFor, nil)
	if err != nil {
		return err
	}
	return f.bring(ctx, wanted{where: signed.String(), name: o.Key, local: local, size: o.Size})
}
