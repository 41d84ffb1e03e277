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

    [Fact]
    public async Task DeepInnerExceptions_AreCut()
    {
        Exception caught = await Assert.ThrowsAsync<InvalidOperationException>(() => pool.RunAsync(static () =>
        {
            Exception inner = new InvalidOperationException("0");
            for (int i = 1; i < 100; i++)
                inner = new InvalidOperationException($"{i}", inner);
            throw inner;
        }));
        int levels = 0;
        for (Exception? level = caught; level is not null; level = level.InnerException)
            levels++;
        Assert.InRange(levels, 10, 20);
    }

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
