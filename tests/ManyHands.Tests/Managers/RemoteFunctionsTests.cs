using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Managers;

/// <summary>What can be registered, and what the refusals say.</summary>
public sealed class RemoteFunctionsTests : LeakChecked
{
    private delegate int OwnDelegate(int x);

    [Fact]
    public void Add_NamesAndForms()
    {
        RemoteFunctions functions = new RemoteFunctions().Add("b", Work.Answer).Add("a", (int x, CancellationToken _) => x).Add("own", new OwnDelegate(Work.Double));
        Assert.Equal(["a", "b", "own"], functions.Names);
    }

    [Fact]
    public void AddMethodsOf_TakesThePublicStaticOnesThatAPoolTakes()
    {
        RemoteFunctions functions = new RemoteFunctions().AddMethodsOf(typeof(Mixed));
        Assert.Equal(["Mixed.Plain"], functions.Names);
        Assert.Contains("Overloads.F", Assert.Throws<ArgumentException>(() => new RemoteFunctions().AddMethodsOf(typeof(Overloads))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Add_Refused_SaysWhy()
    {
        RemoteFunctions functions = new RemoteFunctions().Add("double", Work.Double);
        Refused("Work.Double already", () => functions.Add("double", Work.Answer));
        Refused("registered as 'double' already", () => functions.Add("twice", Work.Double));
        Refused("1 to 200 characters", () => functions.Add("", Work.Answer));
        Refused("1 to 200 characters", () => functions.Add(new string('x', 201), Work.Answer));
        Refused("control character", () => functions.Add("a\nb", Work.Answer));
        Refused("at most 3", () => functions.Add("four", Mixed.Four));
        Refused("is a reference", () => functions.Add("ref", Mixed.ByReference));
        Refused("Return a Task", () => functions.Add("value task", Mixed.Later));
        Refused("'stream' is a Stream, which can't travel", () => functions.Add("stream", Mixed.OfStream));
        Refused("memory of one machine", () => functions.Add("shared", Mixed.OfShared));
        Refused("several functions", () => functions.Add("several", (Action)Work.Throw + Work.Throw));
        Assert.Throws<ArgumentNullException>(() => functions.Add(null!, Work.Answer));
        Assert.Throws<ArgumentNullException>(() => functions.Add("null", null!));
        Assert.Equal(["double"], functions.Names);

        static void Refused(string why, Action add) => Assert.Contains(why, Assert.Throws<ArgumentException>(add).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Calls_OfWhatIsntRegistered_AreRefusedWhereTheyAreMade()
    {
        await using ManagerServer server = new();
        await using Pool pool = server.RegisterPool("pool", new RemoteFunctions().Add("double", Work.Double).Add("echo", Work.Same<string>));
        UnsendableCallException refused = Assert.Throws<UnsendableCallException>(() => { _ = pool.RunAsync(Work.Answer); });
        Assert.Contains("Work.Answer isn't registered for the pool 'pool'", refused.Message, StringComparison.Ordinal);
        Assert.Contains("Registered are double, echo.", refused.Message, StringComparison.Ordinal);
        int captured = 3;
        Assert.Contains("captured variables", Assert.Throws<UnsendableCallException>(() => { _ = pool.RunAsync(() => captured); }).Message, StringComparison.Ordinal);
        Assert.Equal(0, pool.Statistics.QueuedCalls);
    }

    [Fact]
    public async Task WorkersFunctions_MayHaveTargets()
    {
        await using ManagerServer server = new();
        RemoteFunctions callers = new RemoteFunctions().Add("scale", Mixed.Plain);
        await using Pool pool = server.RegisterPool("pool", callers);
        server.Start();
        await using ManagerClient client = await ManagerClient.ConnectAsync(server.EndPoint, server.Key, cancellationToken: TestContext.Current.CancellationToken);
        int factor = 10;
        await using RemoteWorker worker = await RemoteWorker.StartAsync(client, "pool", new RemoteFunctions().Add("scale", (int x) => factor * x), Pool.Threads(1), cancellationToken: TestContext.Current.CancellationToken);
        Assert.Equal(70, await pool.RunAsync(Mixed.Plain, 7));
    }

    public static class Mixed
    {
        public static int Plain(int x) => x;

        public static int Four(int a, int b, int c, int d) => a + b + c + d;

        public static void ByReference(ref int x) => x++;

        public static ValueTask<int> Later(int x) => new(x);

        public static T Generic<T>(T x) => x;

        internal static void OfStream(Stream stream) => stream.Flush();

        internal static void OfShared(SharedQueue<int> queue) => queue.Complete();

        private static int Hidden(int x) => x;
    }

    public static class Overloads
    {
        public static int F(int x) => x;

        public static long F(long x) => x;
    }
}
