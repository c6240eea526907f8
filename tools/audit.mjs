// cdk-nag over the expanded template. `make audit` runs it in a folder of its own, into which npm installs cdk-nag: that needs
// a network, so it is no gate. What it finds is answered in docs/security.md.
// usage: node audit.mjs expanded.json
import { readFileSync } from "node:fs";
import { App, Aspects, Stack } from "aws-cdk-lib";
import { CfnInclude } from "aws-cdk-lib/cloudformation-include";
import * as nag from "cdk-nag";

class Findings {
  found = new Map();
  onCompliance() {}
  onSuppressed() {}
  onError() {}
  onNotApplicable() {}
  onNonCompliance(data) {
    const rule = `${data.ruleId}${data.findingId ? `[${data.findingId}]` : ""}`;
    const name = data.resource.node.path.split("/").pop();
    this.found.set(rule, [...(this.found.get(rule) ?? []), name]);
  }
}

const app = new App({ analyticsReporting: false });
const stack = new Stack(app, "Archive");
new CfnInclude(stack, "template", { templateFile: process.argv[2] });
const findings = new Findings();
const packs = [nag.AwsSolutionsChecks, nag.ServerlessChecks, nag.HIPAASecurityChecks, nag.NIST80053R5Checks];
for (const Pack of packs.filter(Boolean)) {
  Aspects.of(stack).add(new Pack({ additionalLoggers: [findings], reports: false }));
}
try {
  app.synth();
} catch (error) {
  console.error(String(error).slice(0, 400)); // CDK ends with an error where a pack found one: it is in the list
}
for (const [rule, names] of [...findings.found].sort()) console.log(rule, [...new Set(names)].sort().join(" "));
