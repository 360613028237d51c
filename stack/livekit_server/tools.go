//go:build tools

// Package tools names the LiveKit server that the tests run, so that go.mod and go.sum pin and hash it.
package tools

import _ "github.com/livekit/livekit-server/cmd/server"
