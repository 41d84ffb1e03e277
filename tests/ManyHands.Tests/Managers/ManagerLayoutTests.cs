using System.Reflection;
using ManyHands.Tests.Memory;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>
/// Programs that meet at a manager may be of different builds. Values have no names of members, so one whose type has its fields in another order would read them swapped, and never know. It is told instead, whatever the type is
/// used for.
/// </summary>
public sealed class ManagerLayoutTests : LeakChecked
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    public static TheoryData<string, string, string, bool> Builds() => new()
    {
        { "the same", "int X, int Y", "int X, int Y", true },
        { "swapped", "int X, int Y", "int Y, int X", false },
        { "one more", "string X", "string X, string Y", false },
        { "another type", "int X", "long X", false },
        { "enum of another underlying type", "int X, Day Y", "int X, DayByte Y", false },
        { "nested, swapped", "Inner X", "InnerSwapped X", false },
        { "a list of others", "Points X", "PointsSwapped X", false },
    };

    [Theory]
    [MemberData(nameof(Builds))]
    public async Task AnotherBuildsType_IsRefusedByName(string what, string there, string here, bool fits)
    {
        foreach (bool isClass in (bool[])[true, false])
        {
            Type first = OtherBuild.Type("Order", there, isClass), second = OtherBuild.Type("Order", here, isClass);
            await using ManagerServer server = new();
            Call(nameof(Register), first, server);
            Call(nameof(RegisterPair), typeof(List<>).MakeGenericType(first), server);
            server.Start();
            await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
            foreach (string kind in (string[])[nameof(Queue), nameof(List), nameof(Value), nameof(DictionaryFrom), nameof(DictionaryTo)])
                Check($"{what}, {kind}", fits, () => Call(kind, second, client));
            Check($"{what}, in a list", fits, () => Call(nameof(Pair), typeof(List<>).MakeGenericType(second), client));
        }
    }

    [Theory]
    [MemberData(nameof(Builds))]
    public async Task AnotherBuildsArgument_IsRefusedByName(string what, string there, string here, bool fits)
    {
        Type first = OtherBuild.Type("Order", there, isClass: true), second = OtherBuild.Type("Order", here, isClass: true);
        await using ManagerServer server = new();
        Call(nameof(RegisterDesk), first, server);
        server.RegisterPool("pool");
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: Token);
        Check($"{what}, a service", fits, () => Call(nameof(TurnAtDesk), second, client));

        RemoteFunctions own = new(), others = new();
        Call(nameof(Add), first, others);
        Call(nameof(Add), second, own);
        await using RemoteWorker worker = await RemoteWorker.StartAsync(client, "pool", others, Pool.Threads(1), cancellationToken: Token);
        await using Pool pool = Pool.Remote(client, "pool", own);
        Check($"{what}, a pool", fits, () => ((Task)Call(nameof(TurnAsync), second, pool)!).GetAwaiter().GetResult());
    }

    private static void Check(string what, bool fits, Action use)
    {
        Exception? refusal = Record.Exception(use);
        Assert.True(refusal is null == fits, $"{what}: {refusal?.ToString() ?? "it was taken"}");
        if (refusal is null)
            return;
        Assert.True(refusal is ManagerException or UnsendableCallException, $"{what}: {refusal}");
        Assert.Equal(2, refusal.Message.Split("(layout ").Select(static part => part[..12]).Skip(1).Distinct().Count());
        Assert.Contains("build", refusal.Message, StringComparison.Ordinal);
    }

    private static object? Call(string method, Type type, object target) =>
        typeof(ManagerLayoutTests).GetMethod(method, BindingFlags.Static | BindingFlags.NonPublic)!.MakeGenericMethod(type).Invoke(null, BindingFlags.DoNotWrapExceptions, null, [target], null);

    private static void Register<T>(ManagerServer server)
        where T : new()
    {
        server.RegisterQueue<T>("queue");
        server.RegisterList<T>("list");
        server.RegisterValue("value", new T());
        server.RegisterDictionary<string, T>("to");
        server.RegisterDictionary<T, string>("from");
    }

    private static void RegisterPair<T>(ManagerServer server) => server.RegisterQueue<T>("lists");

    private static object Pair<T>(ManagerClient client) => client.GetQueue<T>("lists");

    private static object Queue<T>(ManagerClient client) => client.GetQueue<T>("queue");

    private static object List<T>(ManagerClient client) => client.GetList<T>("list");

    private static object Value<T>(ManagerClient client) => client.GetValue<T>("value");

    private static object DictionaryTo<T>(ManagerClient client) => client.GetDictionary<string, T>("to");

    private static object DictionaryFrom<T>(ManagerClient client)
        where T : notnull => client.GetDictionary<T, string>("from");

    private static void Add<T>(RemoteFunctions functions) => functions.Add("Turn", (Func<T, T>)Turn<T>);

    private static Task<T> TurnAsync<T>(Pool pool) => pool.RunAsync(Turn<T>, Activator.CreateInstance<T>());

    private static T Turn<T>(T value) => value;

    private static void RegisterDesk<T>(ManagerServer server) => server.RegisterObject<IDesk<T>>("desk", new Desk<T>());

    private static object? TurnAtDesk<T>(ManagerClient client) => client.GetProxy<IDesk<T>>("desk").Turn(Activator.CreateInstance<T>());

    public interface IDesk<T>
    {
        T Turn(T value);
    }

    private sealed class Desk<T> : IDesk<T>
    {
        public T Turn(T value) => value;
    }
}
