using System.Collections.Concurrent;
using ManyHands.Tests.Contracts;

namespace ManyHands.Tests.Managers;

/// <summary>A pool over a manager, with workers in this process.</summary>
public abstract class RemotePoolContract : PoolContract
{
    private readonly ConcurrentStack<IAsyncDisposable> owned = new();

    protected override bool SharesMemoryWithCaller => false;

    protected override bool FindsAnyFunction => false;

    protected static RemoteFunctions Functions { get; } = new RemoteFunctions()
        .AddMethodsOf(typeof(Work))
        .Add("Same of string", Work.Same<string>)
        .Add("Same of bytes", Work.Same<byte[]>)
        .Add("Same of numbers", Work.Same<int[]>)
        .Add("Count", Generic<int>.Count)
        .Add("File.Exists", File.Exists);

    protected abstract Pool CreateLocalPool(int workers, Action? initializer);

    protected override Pool CreatePool(int workers, Action? initializer = null) => Task.Run(async () => await CreateAsync(workers, initializer)).GetAwaiter().GetResult();

    protected virtual async Task<Pool> CreateAsync(int workers, Action? initializer)
    {
        (ManagerServer server, _) = Serve();
        await StartWorkerAsync(server, CreateLocalPool(workers, initializer));
        return Pool.Remote(await ConnectAsync(server), "pool", Functions);
    }

    protected (ManagerServer Server, Pool Pool) Serve()
    {
        ManagerServer server = new();
        owned.Push(server);
        Pool pool = server.RegisterPool("pool", Functions);
        server.Start();
        return (server, pool);
    }

    protected async Task<ManagerClient> ConnectAsync(ManagerServer server)
    {
        ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key);
        owned.Push(client);
        return client;
    }

    protected async Task StartWorkerAsync(ManagerServer server, Pool pool) =>
        owned.Push(await RemoteWorker.StartAsync(await ConnectAsync(server), "pool", Functions, pool, new() { ShutdownTimeout = TimeSpan.FromSeconds(5) }));

    public override async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        while (owned.TryPop(out IAsyncDisposable? last))
            await last.DisposeAsync();
        await base.DisposeAsync();
    }
}

public sealed class RemotePoolTests : RemotePoolContract
{
    protected override Pool CreateLocalPool(int workers, Action? initializer) => Pool.Threads(workers, new() { Initializer = initializer });
}

/// <summary>The worker has processes of its own.</summary>
public sealed class RemoteProcessesTests : RemotePoolContract
{
    protected override Pool CreateLocalPool(int workers, Action? initializer) => Pool.Processes(workers, new() { Initializer = initializer });
}

/// <summary>Several workers that run one call at a time.</summary>
public sealed class RemoteSingleWorkersTests : RemotePoolContract
{
    protected override Pool CreateLocalPool(int workers, Action? initializer) => Pool.Threads(workers, new() { Initializer = initializer });

    protected override async Task<Pool> CreateAsync(int workers, Action? initializer)
    {
        (ManagerServer server, _) = Serve();
        for (int i = 0; i < workers; i++)
            await StartWorkerAsync(server, CreateLocalPool(1, initializer));
        return Pool.Remote(await ConnectAsync(server), "pool", Functions);
    }
}

/// <summary>The caller is the manager's own process.</summary>
public sealed class RemotePoolOfTheManagerTests : RemotePoolContract
{
    protected override Pool CreateLocalPool(int workers, Action? initializer) => Pool.Threads(workers, new() { Initializer = initializer });

    protected override async Task<Pool> CreateAsync(int workers, Action? initializer)
    {
        (ManagerServer server, Pool pool) = Serve();
        await StartWorkerAsync(server, CreateLocalPool(workers, initializer));
        return pool;
    }
}
