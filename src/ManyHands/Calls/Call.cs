using System.Reflection;
using System.Text.RegularExpressions;
using ManyHands.Serialization;

namespace ManyHands.Calls;

/// <summary>A function with its arguments, not yet bound to an engine.</summary>
internal abstract class Call
{
    protected Call(Delegate function, CallOptions? options, CancellationToken token)
    {
        ArgumentNullException.ThrowIfNull(function);
        Function = function;
        Options = options ?? CallOptions.Default;
        Options.Validate();
        Token = token;
    }

    public Delegate Function { get; }

    public CallOptions Options { get; }

    /// <summary>The caller's token. When it fires, the call ends with <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken Token { get; }

    public string Name => Options.Name ?? FunctionNames.Of(Function.Method);

    /// <summary>The closed <see cref="IArguments{TSelf}"/> type; both sides agree on it when the function is introduced.</summary>
    public abstract Type ArgumentsType { get; }

    public abstract Type ResultType { get; }

    public abstract void WriteArguments(PayloadWriter writer);
}

/// <inheritdoc/>
internal abstract class Call<TResult>(Delegate function, CallOptions? options, CancellationToken token) : Call(function, options, token)
{
    public override Type ResultType => typeof(TResult);

    /// <summary>Calls the function on this thread, in this process.</summary>
    public abstract ValueTask<TResult> Invoke(CancellationToken token);
}

internal sealed class Call<TArguments, TResult>(Delegate function, TArguments arguments, CallOptions? options = null, CancellationToken token = default)
    : Call<TResult>(function, options, token.CanBeCanceled ? token : arguments.Token)
    where TArguments : struct, IArguments<TArguments>
{
    private readonly TArguments arguments = arguments;

    public override Type ArgumentsType => typeof(TArguments);

    public override void WriteArguments(PayloadWriter writer) => arguments.Write(writer);

    public override ValueTask<TResult> Invoke(CancellationToken token) => arguments.Invoke<TResult>(Function, token);
}

/// <summary>Functions as their author knows them; the compiler's names for lambdas and local functions are unreadable.</summary>
internal static partial class FunctionNames
{
    public static string Of(MethodInfo method)
    {
        Type? declaring = method.DeclaringType;
        while (declaring is { IsNested: true } && declaring.Name.StartsWith('<'))
            declaring = declaring.DeclaringType;
        string owner = declaring is null ? "" : TypeNames.Of(declaring) + ".";
        Match compiled = CompiledName().Match(method.Name);
        if (!compiled.Success)
            return owner + method.Name;
        string outer = compiled.Groups["outer"].Value is "<Main>$" ? "Main" : compiled.Groups["outer"].Value;
        return compiled.Groups["kind"].Value == "g"
            ? owner + outer + "." + compiled.Groups["local"].Value
            : owner + outer + " (lambda)";
    }

    // <Outer>b__0_1 is a lambda in Outer, <Outer>g__Local|0_1 a local function.
    [GeneratedRegex(@"^<(?<outer>.*)>(?<kind>[bg])__(?<local>[^|]*)")]
    private static partial Regex CompiledName();
}
