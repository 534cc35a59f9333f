package scope

import (
	"errors"
	"fmt"
	"strings"
)

// Lengths of a namespace in bytes, the slash included. On disk (they are part of engine keys);
// must not change.
const (
	MinNamespaceLen = 3
	MaxNamespaceLen = 64
)

// everyProduct is the product of rules that hold for each product without a rule of its own.
const everyProduct = "all"

// ErrInvalidNamespace is what a name that breaks the grammar of namespaces gives, whatever the
// policy says.
var ErrInvalidNamespace = errors.New("scope: invalid namespace")

// CheckNamespace reports whether data may be kept under name: product/type, MinNamespaceLen to
// MaxNamespaceLen bytes of a-z, 0-9 and -, with exactly one slash and neither part empty. The
// product all is for rules of a policy and refused here. The error is an ErrInvalidNamespace.
func CheckNamespace(name string) error {
	flaw := namespaceFlaw(name)
	if flaw == "" && isForEveryProduct(name) {
		flaw = "all stands for every product in a policy, data belongs to one product"
	}
	if flaw != "" {
		return fmt.Errorf("%w %.64q: %s", ErrInvalidNamespace, name, flaw)
	}
	return nil
}

// namespaceFlaw says what is wrong with name as the namespace of a rule, for which all is a
// product like any other. It is empty if nothing is.
func namespaceFlaw(name string) string {
	if len(name) < MinNamespaceLen || len(name) > MaxNamespaceLen {
		return fmt.Sprintf("%d bytes, want %d to %d", len(name), MinNamespaceLen, MaxNamespaceLen)
	}
	for _, r := range name {
		if !isNameRune(r) && r != '/' {
			return fmt.Sprintf("%q is none of a-z, 0-9, - and /", r)
		}
	}
	product, typ := split(name)
	if product == "" || typ == "" || strings.Contains(typ, "/") {
		return "want product/type, with one slash"
	}
	return ""
}

func isNameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || r == '-'
}

func isForEveryProduct(namespace string) bool {
	return strings.HasPrefix(namespace, everyProduct+"/")
}

// forEveryProduct returns the namespace of the rule that stands in where namespace has none:
// all/comments for jira/comments, and itself for all/comments.
func forEveryProduct(namespace string) string {
	_, typ := split(namespace)
	return everyProduct + "/" + typ
}

func split(namespace string) (product, typ string) {
	product, typ, _ = strings.Cut(namespace, "/")
	return product, typ
}
