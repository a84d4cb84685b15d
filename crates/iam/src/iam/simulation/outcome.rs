//! What comes of an action, on each resource.

use std::collections::BTreeSet;
use std::sync::Arc;

use coffer_access::{AclGrant, Caller, Decision, Denial, Policy, Question, evaluate};

use super::input::{Resource, Scenario};
use crate::xml::Xml;

/// What comes of an action.
pub(super) struct Outcome<'a> {
    action: &'a str,
    results: Vec<ResourceResult<'a>>,
}

/// What comes of an action on a resource.
struct ResourceResult<'a> {
    resource: &'a str,
    verdict: Verdict,
    /// The policies that say so, with their types.
    matched: Vec<(&'a str, &'static str)>,
    /// The condition keys that policies depend on and nobody has told, in lower case.
    missing: BTreeSet<&'a str>,
    /// Whether the boundary allows it; `None` if there is none.
    within_boundary: Option<bool>,
}

/// From the best to the worst.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Allowed,
    ImplicitDeny,
    ExplicitDeny,
}

impl Verdict {
    fn of(decision: Decision) -> Self {
        match decision {
            Decision::Allow => Self::Allowed,
            Decision::Deny(Denial { explicit: true, .. }) => Self::ExplicitDeny,
            Decision::Deny(Denial { explicit: false, .. }) => Self::ImplicitDeny,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::ImplicitDeny => "implicitDeny",
            Self::ExplicitDeny => "explicitDeny",
        }
    }
}

impl<'a> Outcome<'a> {
    /// Asks about an action on every resource.
    pub(super) fn of(scenario: &'a Scenario, action: &'a str) -> Self {
        let results = scenario.resources.iter().map(|resource| result(scenario, action, resource)).collect();
        Self { action, results }
    }

    /// Writes `EvaluationResults`'s member. For several resources it says the worst that comes of any.
    pub(super) fn write(&self, xml: &mut Xml) {
        let verdict = self.results.iter().map(|result| result.verdict).max().unwrap_or(Verdict::ImplicitDeny);
        let resource = match self.results.as_slice() {
            [only] => only.resource,
            _ => "*",
        };
        xml.text("EvalActionName", self.action).text("EvalResourceName", resource).text("EvalDecision", verdict.name());
        let deciding: Vec<_> = self.results.iter().filter(|result| result.verdict == verdict).collect();
        let matched: BTreeSet<_> = deciding.iter().flat_map(|result| result.matched.iter().copied()).collect();
        let missing: BTreeSet<_> = self.results.iter().flat_map(|result| result.missing.iter().copied()).collect();
        let within = self.results.iter().map(|result| result.within_boundary).min().flatten();
        write_reasons(xml, matched, missing, within);
        xml.list(
            "ResourceSpecificResults",
            self.results.iter().filter(|result| result.resource != "*"),
            |xml, result| {
                xml.text("EvalResourceName", result.resource).text("EvalResourceDecision", result.verdict.name());
                write_reasons(
                    xml,
                    result.matched.iter().copied(),
                    result.missing.iter().copied(),
                    result.within_boundary,
                );
            },
        );
    }
}

fn write_reasons<'a>(
    xml: &mut Xml,
    matched: impl IntoIterator<Item = (&'a str, &'static str)>,
    missing: impl IntoIterator<Item = &'a str>,
    within_boundary: Option<bool>,
) {
    xml.list("MatchedStatements", matched, |xml, (id, kind)| {
        xml.text("SourcePolicyId", id).text("SourcePolicyType", kind);
    });
    xml.list("MissingContextValues", missing, |xml, key| xml.escape(key));
    if let Some(within) = within_boundary {
        xml.element("PermissionsBoundaryDecisionDetail", |xml| {
            xml.value("AllowedByPermissionsBoundary", within);
        });
    }
}

fn result<'a>(scenario: &'a Scenario, action: &str, resource: &'a Resource) -> ResourceResult<'a> {
    let ask = |caller: &Caller, policy| {
        Verdict::of(evaluate(&Question {
            caller,
            action,
            resource: &resource.arn,
            owner: &scenario.owner,
            resource_policy: policy,
            acl: AclGrant::None,
            context: &scenario.context,
        }))
    };
    let verdict = ask(&scenario.caller, resource.policy.as_ref());
    // Each policy alone, without limits, within the account: it says yes, no, or nothing.
    let alone = |policy: &Arc<Policy>| {
        let mut caller = scenario.caller.clone();
        caller.identity_policies = vec![Arc::clone(policy)];
        (caller.boundary, caller.session_policies) = (None, None);
        caller
    };
    let own_account = scenario.caller.principal.account().unwrap_or_default();
    let says = |policy: &Arc<Policy>| {
        Verdict::of(evaluate(&Question {
            caller: &alone(policy),
            action,
            resource: &resource.arn,
            owner: own_account,
            resource_policy: None,
            acl: AclGrant::None,
            context: &scenario.context,
        }))
    };
    let mut matched = Vec::new();
    if verdict != Verdict::ImplicitDeny {
        let deciding = scenario.sources.iter().filter(|source| says(&source.policy) == verdict);
        matched.extend(deciding.map(|source| (source.id.as_str(), "IAM Policy")));
        let mut without = scenario.caller.clone();
        without.identity_policies.clear();
        if resource.policy.is_some() && ask(&without, resource.policy.as_ref()) == verdict {
            matched.push(("ResourcePolicy", "Resource Policy"));
        }
    }
    let boundary = scenario.caller.boundary.as_ref();
    ResourceResult {
        resource: &resource.arn,
        verdict,
        matched,
        missing: missing(scenario, resource),
        within_boundary: boundary.map(|boundary| says(boundary) == Verdict::Allowed),
    }
}

fn missing<'a>(scenario: &'a Scenario, resource: &'a Resource) -> BTreeSet<&'a str> {
    let policies = scenario.sources.iter().map(|source| &*source.policy);
    let policies = policies.chain(scenario.caller.boundary.as_deref()).chain(resource.policy.as_ref());
    let is_told = |key: &str| scenario.context.get(key).is_some() || scenario.caller.context.get(key).is_some();
    policies.flat_map(Policy::condition_keys).filter(|key| !is_told(key)).collect()
}
