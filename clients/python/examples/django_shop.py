"""A site that serves only whose turn has come. Run: django-admin runserver --settings django_shop --pythonpath ."""

import os

from django.http import HttpRequest, JsonResponse
from django.urls import path
from django.views.decorators.http import require_safe
from gatekeeper_client.django import gate

SECRET_KEY, ROOT_URLCONF, ALLOWED_HOSTS = os.environ.get("DJANGO_SECRET", "for trying out"), __name__, ["*"]
MIDDLEWARE = ["gatekeeper_client.django.GatekeeperMiddleware"]
GATEKEEPER = {"URL": os.environ["GATEKEEPER_URL"], "KEY": os.environ["SHOP_KEY"], "PROTECT": ["/checkout"]}


@require_safe
def checkout(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"served": request.visitor.user})


def pay(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"paid": True, "finished": gate().finish(request.visitor.token)})


urlpatterns = [path("checkout", checkout), path("checkout/pay", pay)]
