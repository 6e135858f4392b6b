"""The policies that hold for every organisation, and what to say where they keep somebody out.

They are forbids, so that nothing an organisation writes can overrule them. A device is in front
where ``trust`` is over 1; what is then unknown is missing in the request and refuses.
"""

from collections.abc import Mapping

from sekisho.access.model import Reason
from sekisho.kernel.i18n import Text, msg

PREFIX = "sekisho."
BROWSER_SECONDS = 12 * 3_600
_DEVICE = "context.trust > 1 &&"

CONDITIONS: Mapping[str, str] = {
    "sekisho.person-blocked": "!context.active",
    "sekisho.not-signed-in": "context.mfa < 1",
    "sekisho.certificate": 'context.door == "device" && !context.certified',
    "sekisho.consent-withdrawn": f'{_DEVICE} context.device_state == "withdrawn"',
    "sekisho.not-enrolled": f'{_DEVICE} !["active", "paused", "withdrawn"].contains('
    "context.device_state)",
    "sekisho.paused": f'{_DEVICE} context.device_state == "paused"',
    "sekisho.other-owner": f"{_DEVICE} !context.device_own",
    "sekisho.failing": f'{_DEVICE} context.posture == "not_allowed"',
    "sekisho.unproven": f'{_DEVICE} !["fine", "fix_by", "not_allowed"].contains(context.posture)',
    "sekisho.trust-too-low": "context.trust < resource.least_trust",
    "sekisho.mfa-too-weak": "context.mfa < resource.least_mfa",
    "sekisho.mfa-too-old": "resource.most_mfa_age > 0 && context.mfa_age > resource.most_mfa_age",
    "sekisho.browser-stale": f"context.trust < 2 && context.mfa_age > {BROWSER_SECONDS}",
}
POLICIES: Mapping[str, str] = {
    name: f'@id("{name}") forbid(principal, action, resource) when {{ {condition} }};'
    for name, condition in CONDITIONS.items()
}

_WORDS: Mapping[str, tuple[Text, Text, str]] = {
    "sekisho.person-blocked": (
        msg("This account may not be used."),
        msg("Ask your administrator."),
        "",
    ),
    "sekisho.shut-out": (
        msg("Nothing is let in from this network address."),
        msg("Try it from another network, or ask your administrator to let the address in again."),
        "",
    ),
    "sekisho.not-signed-in": (
        msg("You are not signed in."),
        msg("Sign in and try again."),
        "/sign-in",
    ),
    "sekisho.certificate": (
        msg("The certificate of this device is not valid here."),
        msg("Let the agent fetch a new one: sekisho agent run. If that fails, enrol it again."),
        "",
    ),
    "sekisho.consent-withdrawn": (
        msg("This device was removed, or the consent for it was withdrawn."),
        msg("Enrol the device again if you want to use it for work."),
        "/my",
    ),
    "sekisho.not-enrolled": (
        msg("This device is not fully enrolled yet."),
        msg("Finish the enrolment: consent, or wait for the approval."),
        "/my",
    ),
    "sekisho.paused": (
        msg("This device is paused."),
        msg("Resume it on your page; its answers come within a minute."),
        "/my",
    ),
    "sekisho.other-owner": (
        msg("This device belongs to somebody else."),
        msg("Use your own device, or ask for this one to be given to you."),
        "",
    ),
    "sekisho.failing": (
        msg("This device breaks a rule, and the time to fix it is over."),
        msg("Fix it as your page shows; access comes back by itself."),
        "/my",
    ),
    "sekisho.unproven": (
        msg("It is not known whether this device keeps the rules."),
        msg("Keep the device online until its answers are in; your page shows what is missing."),
        "/my",
    ),
    "sekisho.trust-too-low": (
        msg("This cannot be opened from this kind of device."),
        msg("Use a device that is enrolled for it."),
        "/my/apps",
    ),
    "sekisho.mfa-too-weak": (
        msg("Your sign-in does not prove enough for this."),
        msg("Sign in with a passkey, or with a second factor."),
        "/sign-in",
    ),
    "sekisho.mfa-too-old": (
        msg("Your last proof of who you are is too long ago."),
        msg("Sign in again; this is asked before opening it."),
        "/sign-in",
    ),
    "sekisho.browser-stale": (
        msg("Without an enrolled device a fresh sign-in is needed."),
        msg("Sign in again."),
        "/sign-in",
    ),
    "sekisho.missing-signal": (
        msg("Something that must be known is not known now."),
        msg("Wait a minute and try again; if it stays, show this page to your administrator."),
        "",
    ),
    "sekisho.cannot-decide": (
        msg("A policy could not be evaluated, so nothing is opened."),
        msg("Tell your administrator: the policy named below needs mending."),
        "",
    ),
    "sekisho.no-policy": (
        msg("No policy opens this for you."),
        msg("Ask your administrator, or for temporary access if that is offered."),
        "/my/apps",
    ),
    "sekisho.needs-request": (
        msg("This is opened on request, for a limited time."),
        msg("Ask for access with a reason; it opens once it is granted."),
        "/my/apps",
    ),
    "sekisho.no-resource": (
        msg("There is no such app, or it is switched off."),
        msg("Look at the list of your apps."),
        "/my/apps",
    ),
    "sekisho.session-ended": (
        msg("This connection has ended already."),
        msg("Open it again."),
        "/my/apps",
    ),
    "sekisho.no-certificate": (
        msg("The browser showed no certificate of a device that is known here."),
        msg("It has to be opened from an enrolled device, with its certificate chosen."),
        "",
    ),
    "sekisho.other-device": (
        msg("A cookie or sign-in that was given to another device was shown."),
        msg(
            "If the person did not just move files between devices, treat it as stolen: end the "
            "person's connections and look at both devices."
        ),
        "",
    ),
    "sekisho.not-ours": (
        msg("A cookie or sign-in was shown that this gate did not make."),
        msg("Look at the device: somebody may be trying to make up a sign-in."),
        "",
    ),
    "sekisho.no-target": (
        msg("A destination was asked for that is not behind this gate."),
        msg("If it should be, add it to the resources. If not, ask what the device looks for."),
        "",
    ),
    "sekisho.no-leave": (
        msg("A desktop was asked for without a leave that fits, or by a malformed request."),
        msg("Once or twice it is a page left open too long; often, it is somebody trying."),
        "",
    ),
    "cut-by-hand": (
        msg("An administrator ended this connection."),
        msg("Ask your administrator before opening it again."),
        "",
    ),
}
_ORDER = {name: place for place, name in enumerate(_WORDS)}


def built_in_reason(
    name: str, *, controls: tuple[str, ...] = (), missing: tuple[str, ...] = ()
) -> Reason:
    """Return what to say where the built-in policy ``name`` decided."""
    text, fix, fix_at = _WORDS[name]
    return Reason(name, text, fix, controls, missing, fix_at)


def rank(reason_id: str) -> tuple[int, str]:
    """Return where a reason stands among several: the built-in ones first, in their order."""
    return _ORDER.get(reason_id, len(_ORDER)), reason_id


def list_reasons() -> list[str]:
    """List every built-in reason there is."""
    return list(_WORDS)
