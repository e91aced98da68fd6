// Viewport prediction: recordings of head movements, copied.

package published

import (
	"context"
	"slices"
)

const viewports = "viewport_prediction/data/viewports"

// viewportSets are the data sets that were published.
var viewportSets = []string{"Jin2022", "Wu2017"}

func planVP(ctx context.Context, c *Clone, p *Plan) error {
	sets := c.list(p, viewports)
	for _, set := range viewportSets {
		if !slices.Contains(sets, set) {
			p.missing("vp "+set, "the clone has no %s/%s", viewports, set)
		}
	}
	for _, set := range sets {
		dir := viewports + "/" + set
		part := Part{Task: "vp", Name: set}
		var other []string
		refused := len(p.Refused)
		for _, video := range c.list(p, dir) {
			if err := ctx.Err(); err != nil {
				return err
			}
			if _, ok := numbered(video, "video", ""); !ok {
				other = append(other, video)
				continue
			}
			recordings := dir + "/" + video + "/5Hz"
			var others []string
			for _, name := range c.list(p, recordings) {
				user, ok := numbered(name, "simple_5Hz_user", ".csv")
				if !ok {
					others = append(others, name)
					continue
				}
				c.copied(p, &part, recordings+"/"+name, "vp/"+set+"/"+video+"/user"+user+".csv")
			}
			p.leftOut(recordings, others)
		}
		p.leftOut(dir, other)
		if len(part.Items) == 0 && len(p.Refused) == refused {
			p.missing("vp "+set, "%s has no videoN/5Hz/simple_5Hz_userM.csv", dir)
		}
		p.add(part)
	}
	return nil
}
