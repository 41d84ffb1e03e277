using System.Globalization;
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>With a manager: used through a client, or in the manager's own process.</summary>
public sealed class ManagerSite(bool throughAClient) : SyncSite
{
    private readonly ManagerServer server = new();
    private ManagerClient? client;
    private int count;

    public override int Sequences => 40;

    public override async ValueTask StartAsync()
    {
        server.Start();
        client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: TestContext.Current.CancellationToken);
    }

    public override async ValueTask DisposeAsync()
    {
        await base.DisposeAsync();
        await client!.DisposeAsync();
        await server.DisposeAsync();
    }

    protected override ISharedLock MakeLock(bool isReentrant) => Make(name => server.RegisterLock(name, isReentrant), static (client, name) => client.GetLock(name));

    protected override ISharedSemaphore MakeSemaphore(int initial, int maximum) => Make(name => server.RegisterSemaphore(name, initial, maximum), static (client, name) => client.GetSemaphore(name));

    protected override ISharedEvent MakeEvent(SharedEventMode mode, bool isSet) => Make(name => server.RegisterEvent(name, mode, isSet), static (client, name) => client.GetEvent(name));

    // Both kinds of lock that a condition can have.
    protected override ISharedCondition MakeCondition(bool isReentrant) => Make(
        name => server.RegisterCondition(name, isReentrant ? server.RegisterLock(name + "_lock", isReentrant) : null),
        static (client, name) => client.GetCondition(name));

    protected override ISharedBarrier MakeBarrier(int parties) => Make(name => server.RegisterBarrier(name, parties), static (client, name) => client.GetBarrier(name));

    private T Make<T>(Func<string, T> register, Func<ManagerClient, string, T> get)
    {
        string name = "object_" + (++count).ToString(CultureInfo.InvariantCulture);
        T own = register(name);
        return throughAClient ? get(client!, name) : own;
    }
}
