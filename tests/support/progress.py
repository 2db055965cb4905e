"""What a call tells of its progress, and what it does where it must do nothing."""


def reports_of(call, *arguments, **options):
    """All reports (done, total) of a call, which must rise."""
    reports = []
    call(*arguments, **options, progress=lambda *report: reports.append(report))
    assert reports == sorted(reports)
    return reports


def refuse_to_work(*_, **__):
    """What takes the place of the work in calls that must refuse before it."""
    raise AssertionError("work was begun")
