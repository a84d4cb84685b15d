"""Notification configurations, and servers with targets."""

from .access import ACCOUNT, NAMESPACE, put_document

SUB_RESOURCE = "notification"
ELEMENTS = {"queue": ("QueueConfiguration", "Queue", "sqs"), "topic": ("TopicConfiguration", "Topic", "sns"),
            "function": ("CloudFunctionConfiguration", "CloudFunction", "lambda")}


def arn(target, service="sqs", region="us-east-1", account=ACCOUNT):
    return f"arn:aws:{service}:{region}:{account}:{'function:' if service == 'lambda' else ''}{target}"


def rule(target="hook", *events, id=None, kind="queue", prefix=None, suffix=None, inner="", destination=None):
    element, arn_element, service = ELEMENTS[kind]
    events = events or ("s3:ObjectCreated:*",)
    filters = "".join(
        f"<FilterRule><Name>{name}</Name><Value>{value}</Value></FilterRule>"
        for name, value in (("prefix", prefix), ("suffix", suffix)) if value is not None)
    return (
        f"<{element}>" + (f"<Id>{id}</Id>" if id else "") + f"<{arn_element}>{destination or arn(target, service)}</{arn_element}>"
        + "".join(f"<Event>{event}</Event>" for event in events)
        + (f"<Filter><S3Key>{filters}</S3Key></Filter>" if filters else "") + inner + f"</{element}>")


def document(*rules):
    return f'<NotificationConfiguration xmlns="{NAMESPACE}">{"".join(rules)}</NotificationConfiguration>'


def put_notification(client, bucket, *rules, skip=None):
    headers = None if skip is None else {"x-amz-skip-destination-validation": skip}
    return put_document(client, bucket, SUB_RESOURCE, document(*rules), headers=headers)


def configuration_file(directory, targets):
    """A configuration file with these targets: mappings by name."""
    path = directory / "coffer.toml"
    lines = []
    for name, settings in targets.items():
        lines.append(f"[notification.{name}]")
        for key, value in settings.items():
            value = str(value).lower() if isinstance(value, bool) else value if isinstance(value, list) else f'"{value}"'
            lines.append(f"{key} = {value}")
    path.write_text("\n".join(lines) + "\n")
    return {"COFFER_CONFIG": str(path)}
