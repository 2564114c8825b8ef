package service_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/flight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"

	"github.com/longctx/pipeline/sample/stream/service"
)

// certificate makes a certificate of 127.0.0.1 that signs itself, and the pool that trusts it.
func certificate(t testing.TB) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func TestWithTLSAndATokenBothDirectionsWorkAndAllElseIsRefused(t *testing.T) {
	t.Parallel()
	pair, pool := certificate(t)
	r := start(t, small, service.Options{Token: "secret", TLS: &tls.Config{Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12}})
	trusting := grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool}))
	ctx := metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer secret")
	all := ticket{"plans": []string{"plan.parquet"}, "batch": 8}

	c := r.client(t, trusting)
	if g, err := get(ctx, c, all, -1); err != nil || !g.complete || len(g.positions) != 40 {
		t.Fatalf("%d positions, %v", len(g.positions), err)
	}
	if acks, err := put(ctx, c, outcomesJSON(t, r.group(0, 0, "[1, 0]"))); err != nil || len(acks) != 1 {
		t.Fatal(acks, err)
	}
	_, err := get(t.Context(), c, all, -1)
	wantCode(t, err, codes.Unauthenticated, "token")
	_, err = get(ctx, r.client(t), all, -1) // in the clear
	wantCode(t, err, codes.Unavailable, "")
	_, err = get(ctx, r.client(t, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: x509.NewCertPool()}))), all, -1)
	wantCode(t, err, codes.Unavailable, "unknown authority")
	_, err = get(ctx, r.client(t, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{RootCAs: pool, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}))), all, -1)
	wantCode(t, err, codes.Unavailable, "")
}

func TestConnectionsOverTheLimitAreClosedAtOnce(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{MaxConnections: 2})
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", r.addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	first, second := dial(), dial()
	for _, c := range []net.Conn{first, second} { // the server speaks first: its settings
		if _, err := c.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := io.ReadAll(dial()); err != nil {
		t.Logf("closed with %v", err)
	}
	first.Close()
	c := r.client(t)
	for {
		var out map[string]int64
		if err := act(t.Context(), c, "counters", nil, &out); err != nil {
			continue // the server has not noticed yet
		}
		if out["connections_refused"] < 1 {
			t.Errorf("%v", out)
		}
		return
	}
}

func TestHeadersOverTheLimitAreRefused(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{})
	ctx := metadata.AppendToOutgoingContext(t.Context(), "x", strings.Repeat("x", 64<<10))
	if _, err := r.client(t).GetFlightInfo(ctx, &flight.FlightDescriptor{}); err == nil {
		t.Error("taken")
	}
}

func TestABatchOverTheLimitIsRefusedAndTheSchemaReadsNone(t *testing.T) {
	t.Parallel()
	r := start(t, small, service.Options{MaxBatch: 8192})
	c := r.client(t)
	_, err := get(t.Context(), c, ticket{"plans": []string{"plan.parquet"}, "batch": 40}, -1)
	wantCode(t, err, codes.InvalidArgument, "from position 0 on, and 8192 are the limit")
	if _, err := c.GetFlightInfo(t.Context(), &flight.FlightDescriptor{Cmd: []byte(`{"plans":["plan.parquet"],"batch":40}`)}); err != nil {
		t.Error(err)
	}
	if g, err := get(t.Context(), c, ticket{"plans": []string{"plan.parquet"}, "batch": 1}, 2); err != nil || len(g.positions) != 2 {
		t.Error(g, err)
	}
}
