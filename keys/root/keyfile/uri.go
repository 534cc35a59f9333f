package keyfile

import (
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/sealkv/sealkv/keys/root"
)

// URI returns the URI of the key file at path, made absolute; links are not resolved. The file
// need not exist. A path has one URI, and OpenRoot takes no other spelling of it.
func URI(path string) (string, error) {
	if path == "" || strings.ContainsRune(path, 0) {
		return "", fmt.Errorf("keyfile: the path is empty or has a zero byte: %w", root.ErrInvalid)
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("keyfile: making %s absolute: %w", path, err)
	}
	return formatURI(abs), nil
}

func formatURI(path string) string {
	u := url.URL{Scheme: "file", Path: path}
	return u.String()
}

// parseURI returns the path that uri names. Formatting it again must give uri, which leaves no
// room for hosts, users, queries, fragments and other escapes. Its error does not quote uri: what
// is not a file's URI may hold credentials.
func parseURI(uri string) (string, error) {
	u, err := url.Parse(uri)
	if err != nil || !isClean(u.Path) || formatURI(u.Path) != uri {
		return "", fmt.Errorf("keyfile: the URI is not file:// and a clean absolute path: %w", root.ErrInvalid)
	}
	return u.Path, nil
}

func isClean(path string) bool {
	return filepath.IsAbs(path) && filepath.Clean(path) == path && !strings.ContainsRune(path, 0)
}
