using System.Reflection;
using Xunit;

namespace ManyHands.Tests.Calls;

/// <summary>
/// Every shape of function comes to the same in a process as in a thread of the caller's own, or is refused by name. <see cref="LambdaShapes"/> has them.
/// </summary>
public sealed class LambdaShapesTests : LeakChecked
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static IEnumerable<MethodInfo> Shapes => typeof(LambdaShapes)
        .GetMethods(BindingFlags.Public | BindingFlags.Static | BindingFlags.DeclaredOnly)
        .Where(static method => method.ReturnType.IsAssignableTo(typeof(Task)));

    [Fact]
    public Task Inline_DoesTheSameOrRefuses() => Compare(Pool.Inline());

    [Fact]
    public Task Processes_DoTheSameOrRefuse() => Compare(Pool.Processes(1));

    [Fact]
    public Task ProcessesOverSockets_DoTheSameOrRefuse() => Compare(Pool.Processes(1, new() { Transport = WorkerTransport.Sockets }));

    private static async Task Compare(Pool compared)
    {
        List<string> wrong = [];
        await using Pool threads = Pool.Threads(1);
        await using Pool _ = compared;
        foreach (MethodInfo shape in Shapes)
        {
            string here = await OutcomeInTime(shape, threads);
            string there = await OutcomeInTime(shape, compared);
            string? words = shape.GetCustomAttribute<RefusedAttribute>()?.Words;
            bool isRight = words is null ? there == here : there.StartsWith("refused", StringComparison.Ordinal) && there.Contains(words, StringComparison.Ordinal);
            if (!isRight)
                wrong.Add($"{shape.Name}: {there} instead of {(words is null ? here : $"a refusal with \"{words}\"")}");
        }

        Assert.True(wrong.Count == 0, $"{wrong.Count} of {Shapes.Count()}:\n{string.Join('\n', wrong)}");
    }

    // Off this thread: what never ends fails by name.
    private static async Task<string> OutcomeInTime(MethodInfo shape, Pool pool)
    {
        try
        {
            return await Task.Run(() => Outcome(shape, pool)).WaitAsync(Patience);
        }
        catch (TimeoutException)
        {
            return $"nothing within {Patience.TotalSeconds} s";
        }
    }

    private static async Task<string> Outcome(MethodInfo shape, Pool pool)
    {
        try
        {
            Task task = (Task)shape.Invoke(null, BindingFlags.DoNotWrapExceptions, null, [pool], null)!;
            await task;
            return $"{task.GetType().GetProperty("Result")!.GetValue(task)}";
        }
        catch (UnsendableCallException refusal)
        {
            return $"refused: {refusal.Message}";
        }
        catch (Exception thrown) when (thrown is not OutOfMemoryException)
        {
            return $"{thrown.GetType().Name}: {thrown.Message}";
        }
    }
}
