package main

import (
	"fmt"
	"strings"
)

// Exit codes. Scripts rely on them; must not change.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitHeld        = 4
	exitRevoked     = 5
	exitUnavailable = 6
	exitDamaged     = 7
	exitDestroyed   = 8
	exitExists      = 9
	exitInvalid     = 10
	exitInterrupted = 130
)

// exitTexts says what each code means, for the help.
var exitTexts = []struct {
	code int
	text string
}{
	{exitDone, "done"},
	{exitFailed, "failed in another way; the message says how"},
	{exitUsage, "usage: an unknown command or flag, or an argument that is missing or invalid"},
	{exitNotFound, "not found: the store, tenant, namespace, data key, record or file"},
	{exitHeld, "another process holds the store open; the message has its pid if it is known"},
	{exitRevoked, "the key was revoked, here or by its root"},
	{exitUnavailable, "the key is unavailable: its root key could not be asked"},
	{exitDamaged, "does not open or verify: authentication, damage, a rolled back keyring"},
	{exitDestroyed, "the key was destroyed; what it sealed is gone"},
	{exitExists, "exists already"},
	{exitInvalid, "a policy, root key, passphrase or data file that is not as it must be,\n       or a policy that does not allow the command"},
	{exitInterrupted, "interrupted"},
}

func exitCodes() string {
	var b strings.Builder
	b.WriteString("Exit codes:\n")
	for _, e := range exitTexts {
		fmt.Fprintf(&b, "  %3d  %s\n", e.code, e.text)
	}
	return strings.TrimSuffix(b.String(), "\n")
}
