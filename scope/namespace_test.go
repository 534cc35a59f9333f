package scope_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/sealkv/sealkv/scope"
)

func TestCheckNamespace(t *testing.T) {
	longest := "jira/" + strings.Repeat("x", 59)
	for name, want := range map[string]string{
		"jira/comments":    "",
		"a/b":              "",
		"0-9/-":            "",
		"allx/comments":    "",
		"jira/all":         "",
		longest:            "",
		longest + "x":      "65 bytes, want 3 to 64",
		"":                 "0 bytes, want 3 to 64",
		"//":               "2 bytes, want 3 to 64",
		"///":              "want product/type, with one slash",
		"jira":             "want product/type, with one slash",
		"jira/":            "want product/type, with one slash",
		"/comments":        "want product/type, with one slash",
		"jira//comments":   "want product/type, with one slash",
		"jira/comments/":   "want product/type, with one slash",
		"jira/comments ":   `' ' is none of a-z, 0-9, - and /`,
		"jira/Comments":    `'C' is none of a-z, 0-9, - and /`,
		"jira/comm\x00nts": `'\x00' is none of a-z, 0-9, - and /`,
		"jira/größe":       `'ö' is none of a-z, 0-9, - and /`,
		"jira/\xff":        `'�' is none of a-z, 0-9, - and /`,
		"all/comments":     "all stands for every product in a policy, data belongs to one product",
	} {
		err := scope.CheckNamespace(name)
		switch {
		case want == "" && err != nil:
			t.Errorf("%q: %v", name, err)
		case want != "" && (!errors.Is(err, scope.ErrInvalidNamespace) || !strings.HasSuffix(err.Error(), `": `+want)):
			t.Errorf("%q: got %v, want %s", name, err, want)
		}
	}
}

func TestCheckNamespaceShowsLittle(t *testing.T) {
	err := scope.CheckNamespace(strings.Repeat("\x1b", 1<<20))
	if err == nil || len(err.Error()) > 400 || strings.Contains(err.Error(), "\x1b") {
		t.Errorf("got %.500q", err)
	}
}
