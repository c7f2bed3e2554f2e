"""What the verbs that bring desktops back need: plans from desktop files, and builds."""

from __future__ import annotations

from pathlib import Path

from modulux.cli.common import Common, host_facts
from modulux.images.build import build
from modulux.keep.recipes import keep_recipes
from modulux.keep.restic import Repository
from modulux.keep.shop import Workshop
from modulux.model.desktop import Desktop
from modulux.model.plan import Plan
from modulux.resolve.plan import resolve


def planned(common: Common, desktop: Desktop) -> Plan:
    """A desktop file's plan here."""
    return resolve(desktop, common.catalog_for(desktop.name), host_facts())


def built(common: Common, plan: Plan) -> object:
    """Build what is missing of a plan's images."""
    return build(plan.images, common.catalog_for(plan.desktop), common.driver, common.sources, common.report)


def recipes(common: Common, desktop: Desktop, folder: Path) -> list[str]:
    """Write the folders of a desktop's own modules, where there are such."""
    catalog = common.catalog_for(desktop.name)
    return keep_recipes(catalog, planned(common, desktop).images, folder) if len(catalog.roots) > 1 else []


def workshop(common: Common, repository: Repository) -> Workshop:
    """All that is needed to work on a desktop."""
    return Workshop(
        engine=common.driver,
        repository=repository,
        plan=lambda desktop: planned(common, desktop),
        build=lambda plan: built(common, plan),
        report=common.report,
        catalog=common.catalog_for,
    )
