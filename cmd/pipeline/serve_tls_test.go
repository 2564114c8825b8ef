package main

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/apache/arrow/go/v17/arrow/flight"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	rpcstatus "google.golang.org/grpc/status"
)

// writeCertificate writes a certificate of 127.0.0.1 that signs itself, and returns who trusts it.
func writeCertificate(t *testing.T, dir string) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{"cert.pem": {Type: "CERTIFICATE", Bytes: cert}, "key.pem": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert}))
	return pool
}

func TestServeOnAllAddressesAnswersOnlyWithTLSAndToken(t *testing.T) {
	exe, err := exec.LookPath("pipeline")
	if err != nil {
		t.Skip("the test binary is not in the path")
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	pool := writeCertificate(t, dir)
	if err := os.WriteFile(in("token"), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	pipeline(t, exe, "synth", "--samples", "4", "--tokens", "200..300", "--seed", "3", "--output", in("docs.jsonl"))
	pipeline(t, exe, "-q", "build", "--input", in("docs.jsonl"), "--tokenizer", "bytes", "--output", in("data"))
	cmd := exec.Command(exe, "-q", "serve", in("data"), "--listen", "0.0.0.0:0", "--token-file", in("token"), "--tls-cert", in("cert.pem"), "--tls-key", in("key.pem"))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "grpc+tls://") {
		t.Fatalf("%q, %v", line, err)
	}
	_, port, err := net.SplitHostPort(strings.TrimSpace(strings.TrimPrefix(line, "grpc+tls://")))
	if err != nil {
		t.Fatal(err)
	}
	health := func(c credentials.TransportCredentials, token string) codes.Code {
		t.Helper()
		client, err := flight.NewClientWithMiddleware("127.0.0.1:"+port, nil, nil, grpc.WithTransportCredentials(c))
		if err != nil {
			t.Fatal(err)
		}
		defer client.Close()
		ctx, cancel := context.WithTimeout(metadata.AppendToOutgoingContext(t.Context(), "authorization", "Bearer "+token), 10*time.Second)
		defer cancel()
		stream, err := client.DoAction(ctx, &flight.Action{Type: "health"})
		if err == nil {
			_, err = stream.Recv()
		}
		return rpcstatus.Code(err)
	}
	trusting := credentials.NewTLS(&tls.Config{RootCAs: pool})
	for _, test := range []struct {
		name  string
		with  credentials.TransportCredentials
		token string
		want  codes.Code
	}{
		{"TLS and token", trusting, "secret", codes.OK},
		{"another token", trusting, "secre", codes.Unauthenticated},
		{"in the clear", insecure.NewCredentials(), "secret", codes.Unavailable},
		{"a client that does not know the certificate", credentials.NewTLS(&tls.Config{}), "secret", codes.Unavailable},
	} {
		if got := health(test.with, test.token); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
