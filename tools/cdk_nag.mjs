// Run cdk-nag on the expanded template, in the folder into which `make audit` installs it. Not part of .ci/run, because npm needs a
// network. Fails for findings that docs/security.md does not explain, and for explanations without a finding.
// usage: node cdk_nag.mjs expanded.json security.md
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
const [, table] = readFileSync(process.argv[3], "utf8").split("| finding | on | why it is accepted |\n");
const explained = [...table.matchAll(/^\| ([^-].*?) \|/gm)].flatMap((row) => row[1].split(", "));
const matches = (name, rule) => new RegExp(`^${name.replace("…", ".*")}(\\[.*)?$`).test(rule);
const rules = [...findings.found.keys()].sort();
const faults = rules.filter((rule) => !explained.some((name) => matches(name, rule)));
for (const rule of rules) console.log(rule, [...new Set(findings.found.get(rule))].sort().join(" "));
for (const rule of faults) console.log("not explained:", rule);
const answers = explained.filter((name) => !rules.some((rule) => matches(name, rule)));
for (const name of answers) console.log("explained, but not found:", name);
process.exitCode = rules.length && !faults.length && !answers.length ? 0 : 1;
