package views

// DemoLogin is somebody whom the demo lets in without a password.
type DemoLogin struct {
	Email string
	Words string // on the button
}
