package scope_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/sealkv/sealkv/scope"
)

func TestDomainText(t *testing.T) {
	for d, want := range map[scope.Domain]string{
		scope.Tenant: "tenant", scope.Platform: "platform", scope.Both: "both",
	} {
		if d.String() != want {
			t.Errorf("got %s, want %s", d, want)
		}
		if back, err := scope.ParseDomain(want); err != nil || back != d {
			t.Errorf("%s: got %v, %v", want, back, err)
		}
		encoded, err := json.Marshal(d)
		if err != nil || string(encoded) != `"`+want+`"` {
			t.Errorf("%s: got %s, %v", d, encoded, err)
		}
		var decoded scope.Domain
		if err := json.Unmarshal(encoded, &decoded); err != nil || decoded != d {
			t.Errorf("%s: got %s, %v", d, decoded, err)
		}
	}
}

func TestDomainRefusesOtherText(t *testing.T) {
	d := scope.Tenant
	for _, text := range []string{"", "Tenant", "tenant ", "domain(0)", "3"} {
		if err := d.UnmarshalText([]byte(text)); err == nil || d != scope.Tenant {
			t.Errorf("%q: got %s, %v", text, d, err)
		}
	}
	_, err := scope.ParseDomain("neither")
	if want := `scope: domain "neither": want tenant, platform or both`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	for _, d := range []scope.Domain{0, 4} {
		if text, err := d.MarshalText(); err == nil {
			t.Errorf("%d: got %s", d, text)
		}
	}
}

func TestDomainHas(t *testing.T) {
	all := []scope.Domain{0, scope.Tenant, scope.Platform, scope.Both}
	has := map[[2]scope.Domain]bool{
		{scope.Tenant, scope.Tenant}: true, {scope.Platform, scope.Platform}: true,
		{scope.Both, scope.Tenant}: true, {scope.Both, scope.Platform}: true, {scope.Both, scope.Both}: true,
	}
	for _, d := range all {
		for _, other := range all {
			if got := d.Has(other); got != has[[2]scope.Domain{d, other}] {
				t.Errorf("%s has %s: %t", d, other, got)
			}
		}
	}
}

func TestRuleDomainAt(t *testing.T) {
	end := date(t, "2027-03-31")
	ends := scope.Rule{Domain: scope.Both, Until: end}
	for _, c := range []struct {
		rule scope.Rule
		now  time.Time
		want scope.Domain
	}{
		{ends, time.Time{}, scope.Both},
		{ends, end.Add(-1), scope.Both},
		{ends, end, scope.Tenant},
		{ends, end.In(time.FixedZone("", -12*60*60)), scope.Tenant},
		{ends, end.AddDate(100, 0, 0), scope.Tenant},
		{scope.Rule{Domain: scope.Both}, end, scope.Both},
		{scope.Rule{Domain: scope.Tenant}, end, scope.Tenant},
		{scope.Rule{Domain: scope.Platform}, end, scope.Platform},
	} {
		if got := c.rule.DomainAt(c.now); got != c.want {
			t.Errorf("%s at %s: got %s, want %s", c.rule, c.now, got, c.want)
		}
	}
}
