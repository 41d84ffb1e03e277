using System.Reflection.Emit;
using ManyHands.Tests.Contracts;
using Xunit;

namespace ManyHands.Tests.Calls;

/// <summary>What of a call travels, and how what can't is refused. On the inline engine: it encodes and decodes like the processes do.</summary>
public sealed class SendingCallsTests : LeakChecked
{
    private readonly Pool pool = Pool.Inline();

    public override async ValueTask DisposeAsync()
    {
        await pool.DisposeAsync();
        await base.DisposeAsync();
    }

    [Fact]
    public void UnsendableArgument_IsNamed_WithWhatToWrite()
    {
        using MemoryStream stream = new();
        UnsendableCallException refused = Assert.Throws<UnsendableCallException>(() => { _ = pool.RunAsync(static (int _, MemoryStream s) => s.Length, 1, stream); });
        Assert.Contains("Argument 2 (MemoryStream)", refused.Message, StringComparison.Ordinal);
        Assert.Contains(nameof(UnsendableArgument_IsNamed_WithWhatToWrite), refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void UnsendableCapture_IsNamed()
    {
        using HttpClient client = new();
        UnsendableCallException refused = Assert.Throws<UnsendableCallException>(() => { _ = pool.RunAsync(() => client.Timeout); });
        Assert.Contains("The captured variable 'client' (HttpClient)", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task UnusedCapture_OfTheSameBlock_StaysHere()
    {
        using HttpClient client = new();
        int number = 5;
        Func<TimeSpan> other = () => client.Timeout;
        Assert.Equal(5, await pool.RunAsync(() => number));
        Assert.Equal(6, await pool.RunAsync(async () =>
        {
            await Task.Yield();
            return new[] { 1 }.Select(x => x + number).First();
        }));
        Assert.Equal(client.Timeout, other());
    }

    [Fact]
    public async Task ObjectWithPrivateState_AsTarget_TravelsFieldByField()
    {
        Greeter greeter = new("hello", 3);
        Assert.Equal("hello hello hello", await pool.RunAsync(greeter.Greet));
        Assert.Equal("hello hello hello!", await greeter.GreetLoudly(pool));
    }

    [Fact]
    public void ObjectWithHandle_AsTarget_NamesTheField()
    {
        using Reader reader = new();
        UnsendableCallException refused = Assert.Throws<UnsendableCallException>(() => { _ = pool.RunAsync(reader.Read); });
        Assert.Contains("'this' (Reader)", refused.Message, StringComparison.Ordinal);
        Assert.Contains("'stream'", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void GeneratedAndCombinedFunctions_AreRefused()
    {
        DynamicMethod method = new("generated", typeof(int), []);
        ILGenerator code = method.GetILGenerator();
        code.Emit(OpCodes.Ldc_I4_1);
        code.Emit(OpCodes.Ret);
        Func<int> generated = method.CreateDelegate<Func<int>>();
        Assert.Contains("generated at run time", Assert.Throws<UnsendableCallException>(() => { _ = pool.RunAsync(generated); }).Message, StringComparison.Ordinal);
        Action twice = static () => { };
        twice += static () => { };
        Assert.Contains("several functions", Assert.Throws<UnsendableCallException>(() => { _ = pool.RunAsync(twice); }).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void SecondToken_IsRefused()
    {
        using CancellationTokenSource one = new(), two = new();
        CancellationToken captured = one.Token;
        UnsendableCallException refused = Assert.Throws<UnsendableCallException>(() => { _ = pool.RunAsync(() => captured.IsCancellationRequested, cancellationToken: two.Token); });
        Assert.Contains("CreateLinkedTokenSource", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RecordsTuplesAndCollections_ArriveEqual()
    {
        Order order = new("tea", [1, 2, 3], new Dictionary<string, decimal> { ["a"] = 1.50m }, (1, "x"), null);
        Order back = await pool.RunAsync(Work.Same, order);
        Assert.NotSame(order, back);
        Assert.Equal(order.Item, back.Item);
        Assert.Equal(order.Numbers, back.Numbers);
        Assert.Equal(order.Prices, back.Prices);
        Assert.Equal(order.Pair, back.Pair);
        Assert.Null(back.Next);
        Assert.Equal("\ud800", await pool.RunAsync(Work.Same, "\ud800"));
    }

    [Theory]
    [InlineData(typeof(ArgumentException))]
    [InlineData(typeof(ArgumentNullException))]
    [InlineData(typeof(ArgumentOutOfRangeException))]
    [InlineData(typeof(FileNotFoundException))]
    [InlineData(typeof(ObjectDisposedException))]
    [InlineData(typeof(UnauthorizedAccessException))]
    public async Task KnownException_KeepsItsMessageAndDetails(Type type)
    {
        Exception original = Assert.ThrowsAny<Exception>(() => ThrowNamed(type.Name));
        Exception back = await Assert.ThrowsAnyAsync<Exception>(() => pool.RunAsync(ThrowNamed, type.Name));
        Assert.Equal(type, back.GetType());
        Assert.Equal(original.Message, back.Message);
        Assert.Equal((original as ArgumentException)?.ParamName, (back as ArgumentException)?.ParamName);
        Assert.Equal((original as FileNotFoundException)?.FileName, (back as FileNotFoundException)?.FileName);
        Assert.Equal(original.HResult, back.HResult);
    }

    [Fact]
    public async Task HostileException_ArrivesAsFarAsItCanBeRead()
    {
        RemoteException remote = await Assert.ThrowsAsync<RemoteException>(() => pool.RunAsync(static () => { throw new Hostile(); }));
        Assert.True(remote.Is<Hostile>());
        Assert.Contains("could not be read", remote.RemoteMessage, StringComparison.Ordinal);
        RemoteException huge = await Assert.ThrowsAsync<RemoteException>(() => pool.RunAsync(static () => { throw new OwnException(new string('x', 50_000_000)); }));
        Assert.InRange(huge.RemoteMessage.Length, 1000, 100_000);
    }

    /// <summary>However many there are and however they hang together: what doesn't travel is counted where it was.</summary>
    [Theory]
    [InlineData("chain", 10)]
    [InlineData("chain", 16)]
    [InlineData("chain", 17)]
    [InlineData("chain", 100)]
    [InlineData("wide", 64)]
    [InlineData("wide", 65)]
    [InlineData("wide", 1000)]
    [InlineData("own", 3)]
    [InlineData("own", 100)]
    [InlineData("tree", 40)]
    [InlineData("comb", 60)]
    public async Task InnerExceptions_TravelOrAreCounted(string form, int count)
    {
        Exception original = Inner(form, count);
        Exception back = await Assert.ThrowsAnyAsync<Exception>(() => pool.RunAsync(static (string form, int count) => { throw Inner(form, count); }, form, count));
        int arrived = 0, left = 0;
        Count(back);
        if (form == "tree")
            Assert.Contains(Placeholders(back), static text => text.Contains("more than", StringComparison.Ordinal));
        else
            Assert.Equal(Total(original), arrived + left);
        Assert.InRange(back.Message.Split("(inner 0)").Length, 1, 2);
        Assert.InRange(arrived, 1, 512);

        void Count(Exception one)
        {
            if (one is RemoteException { RemoteType: "(left out)" } placeholder)
                left += int.Parse(placeholder.RemoteMessage.Split(' ').First(static word => char.IsDigit(word[0])), System.Globalization.NumberStyles.AllowThousands, System.Globalization.CultureInfo.CurrentCulture);
            else if (one is not AggregateException { Data: { Count: 0 }, StackTrace: null } || form != "own")
                arrived++;
            foreach (Exception inner in InnerOf(one))
                Count(inner);
        }
    }

    [Fact]
    public async Task Data_OfAnException_Arrives_OrSaysWhatIsMissing()
    {
        Exception back = await Assert.ThrowsAnyAsync<Exception>(() => pool.RunAsync(static () =>
        {
            InvalidOperationException thrown = new("with data") { Data = { ["text"] = "a", ["int"] = 1, ["long"] = 2L, ["double"] = 0.5, ["bool"] = true, ["null"] = null, [7] = new Version(1, 2) } };
            throw thrown;
        }));
        Assert.Equal(["a", 1, 2L, 0.5, true, null, "1.2 (System.Version)"], new object[] { "text", "int", "long", "double", "bool", "null", "7" }.Select(key => back.Data[key]));
        Assert.Equal(7, back.Data.Count);
        Exception much = await Assert.ThrowsAnyAsync<Exception>(() => pool.RunAsync(static () =>
        {
            InvalidOperationException thrown = new("with much data");
            for (int i = 0; i < 100; i++)
                thrown.Data[$"{i}"] = i;
            throw thrown;
        }));
        Assert.Equal(33, much.Data.Count);
        Assert.Equal("68 more entries of 100", much.Data["(left out)"]);
    }

    [Fact]
    public async Task HugeTexts_OfManyExceptions_StayWithinBounds()
    {
        Exception back = await Assert.ThrowsAnyAsync<Exception>(() => pool.RunAsync(static () =>
        {
            string text = new('x', 100_000);
            throw new AggregateException(Enumerable.Range(0, 64).Select(_ => new AggregateException(Enumerable.Range(0, 64).Select(_ => new InvalidOperationException(text)))));
        }));
        long characters = All(back).Where(static one => one is not AggregateException).Sum(static one => (long)one.Message.Length);
        Assert.InRange(characters, 500_000, 1_500_000);
        Assert.All(All(back).OfType<InvalidOperationException>(), static one => Assert.EndsWith("characters in all)", one.Message, StringComparison.Ordinal));
    }

    private static Exception Inner(string form, int count)
    {
        Exception inner = new InvalidOperationException("inner 0");
        switch (form)
        {
            case "chain":
                for (int i = 1; i <= count; i++)
                    inner = new InvalidOperationException($"{i}", inner);
                return inner;
            case "wide":
                return new AggregateException("several", Enumerable.Range(0, count).Select(static i => new InvalidOperationException($"inner {i}")));
            case "own":
                return new OwnAggregateException(Enumerable.Range(0, count).Select(static i => new InvalidOperationException($"inner {i}")));
            case "tree":
                // Each holds the one before twice: more than could ever be counted.
                for (int i = 0; i < count; i++)
                    inner = new AggregateException("several", inner, inner);
                return new InvalidOperationException("a tree", inner);
            default:
                return new AggregateException("several", Enumerable.Range(0, count).Select(static _ => Inner("chain", 12)));
        }
    }

    private static Exception[] InnerOf(Exception one) => one is AggregateException aggregate ? [.. aggregate.InnerExceptions] : one.InnerException is { } inner ? [inner] : [];

    private static IEnumerable<Exception> All(Exception one) => InnerOf(one).SelectMany(All).Prepend(one);

    private static int Total(Exception one) => 1 + InnerOf(one).Sum(Total);

    private static IEnumerable<string> Placeholders(Exception one) => All(one).OfType<RemoteException>().Where(static one => one.RemoteType == "(left out)").Select(static one => one.RemoteMessage);

    private static void ThrowNamed(string name) => throw name switch
    {
        nameof(ArgumentException) => new ArgumentException("bad", nameof(name)),
        nameof(ArgumentNullException) => new ArgumentNullException(nameof(name)),
        nameof(ArgumentOutOfRangeException) => new ArgumentOutOfRangeException(nameof(name), 5, "too much"),
        nameof(FileNotFoundException) => new FileNotFoundException("not there", "the.file"),
        nameof(ObjectDisposedException) => new ObjectDisposedException("the object"),
        _ => new UnauthorizedAccessException(),
    };

    public sealed record Order(string Item, List<int> Numbers, Dictionary<string, decimal> Prices, (int, string) Pair, Order? Next);

    private sealed class OwnAggregateException(IEnumerable<Exception> inner) : AggregateException("own", inner);

    private sealed class Hostile : Exception
    {
        public override string Message => throw new InvalidOperationException("no message for you");
    }

    private sealed class Greeter(string word, int times)
    {
        private readonly string word = word;

        public string Greet() => string.Join(' ', Enumerable.Repeat(word, times));

        public Task<string> GreetLoudly(Pool pool) => pool.RunAsync(() => Greet() + "!");
    }

    private sealed class Reader : IDisposable
    {
        private readonly MemoryStream stream = new();

        public long Read() => stream.Length;

        public void Dispose() => stream.Dispose();
    }
}
