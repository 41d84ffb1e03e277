using ManyHands.Managers;

namespace ManyHands;

public sealed partial class ManagerClient
{
    /// <summary>The manager's pool of that name, for who calls and who works.</summary>
    internal RemotePoolObject GetPool(string name) => Get(name, ObjectKind.Pool, () => new RemotePoolObject(link, name));
}
