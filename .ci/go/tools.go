//go:build tools

// Names the tools written in Go that .ci/tools installs, so that go.mod pins them and Dependabot updates them.
package tools

import (
	_ "github.com/nektos/act"
	_ "github.com/rhysd/actionlint/cmd/actionlint"
)
