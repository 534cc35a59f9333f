package scope

import "fmt"

// A Kind is one way in which a Change changes a namespace.
type Kind uint8

const (
	Added            Kind = iota + 1 // it was refused and has a rule now
	Removed                          // it had a rule and is refused now; its records stay where they are
	ToTenant                         // from platform keys to tenant keys
	ToPlatform                       // from tenant keys to platform keys
	TransitionBegins                 // from either to both
	TransitionEnds                   // from both to either
	UntilChanged                     // both as before, with another end
	MaxAgeChanged
	RotateEveryChanged
	MaxSealsChanged
	SuiteChanged
	CompressionChanged
)

// String returns the kind in words.
func (k Kind) String() string {
	switch k {
	case Added:
		return "added"
	case Removed:
		return "removed"
	case ToTenant:
		return "to tenant keys"
	case ToPlatform:
		return "to platform keys"
	case TransitionBegins:
		return "transition begins"
	case TransitionEnds:
		return "transition ends"
	case UntilChanged:
		return "until changed"
	case MaxAgeChanged:
		return "max-age changed"
	case RotateEveryChanged:
		return "rotate-every changed"
	case MaxSealsChanged:
		return "max-seals changed"
	case SuiteChanged:
		return "suite changed"
	case CompressionChanged:
		return "compression changed"
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// moveKind names the move between two domains, and reports whether it is one.
func moveKind(from, to Domain) (kind Kind, moved bool) {
	switch {
	case from == to:
		return 0, false
	case to == Both:
		return TransitionBegins, true
	case from == Both:
		return TransitionEnds, true
	case to == Tenant:
		return ToTenant, true
	}
	return ToPlatform, true
}
