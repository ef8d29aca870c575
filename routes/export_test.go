package routes

// DoorEvents are the events at the doors, each with its level.
func DoorEvents() map[string]string {
	all := make(map[string]string)
	for _, e := range doorEvents {
		all[e.text] = e.level.String()
	}
	return all
}
