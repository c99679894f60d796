"""Who may talk to whom: callers to the load balancer, it to the API, and our tasks to AWS and WhatsApp."""

from typing import Final

from tazco.deployment.template import Json, att, ref

API_PORT: Final = 3000
HTTPS: Final = 443
HTTP: Final = 80
ANYWHERE: Final = "0.0.0.0/0"
"""AWS and the WhatsApp provider answer at addresses that nobody can list; only port 443 is open."""


def network() -> Json:
    """Three groups; their rules stand apart because they name each other."""
    return {
        "LoadBalancerGroup": _group("The load balancer"),
        "ApiGroup": _group("Tasks of the API"),
        "WorkerGroup": _group("Tasks of the relay and the worker: nobody calls them"),
        "CallersToLoadBalancer": _rule("Ingress", "LoadBalancerGroup", HTTPS, {"CidrIp": ref("CallerCidr")}),
        "CallersToRedirect": _rule("Ingress", "LoadBalancerGroup", HTTP, {"CidrIp": ref("CallerCidr")}),
        "LoadBalancerToApi": _rule(
            "Egress", "LoadBalancerGroup", API_PORT, {"DestinationSecurityGroupId": att("ApiGroup", "GroupId")}
        ),
        "ApiFromLoadBalancer": _rule(
            "Ingress", "ApiGroup", API_PORT, {"SourceSecurityGroupId": att("LoadBalancerGroup", "GroupId")}
        ),
        "ApiToOutside": _rule("Egress", "ApiGroup", HTTPS, {"CidrIp": ANYWHERE}),
        "WorkerToOutside": _rule("Egress", "WorkerGroup", HTTPS, {"CidrIp": ANYWHERE}),
    }


def _group(meaning: str) -> Json:
    """Nothing goes out but what a rule lets out: the one without a way is what EC2 leaves out of its "everything"."""
    nowhere = {"IpProtocol": "icmp", "FromPort": 252, "ToPort": 86, "CidrIp": "255.255.255.255/32", "Description": "Nothing"}
    return {
        "Type": "AWS::EC2::SecurityGroup",
        "Properties": {"GroupDescription": meaning, "VpcId": ref("VpcId"), "SecurityGroupEgress": [nowhere]},
    }


def _rule(direction: str, group: str, port: int, other: Json) -> Json:
    return {
        "Type": f"AWS::EC2::SecurityGroup{direction}",
        "Properties": {
            "GroupId": att(group, "GroupId"),
            "IpProtocol": "tcp",
            "FromPort": port,
            "ToPort": port,
            "Description": f"{direction} on {port}",
            **other,
        },
    }
