using System.Collections.Concurrent;
using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;

namespace ManyHands.Calls;

/// <summary>
/// Finds which captured variables a lambda really uses. The compiler puts all variables that any lambda of a block captures into one object,
/// so that object holds more than this lambda needs, and what it doesn't need must not keep it from travelling.
/// </summary>
/// <remarks>
/// <para>Reads the code of the lambda and of everything the compiler made of it: its state machine, lambdas and local functions inside it. What it calls beyond
/// that can't reach captured variables, whose holders have no names in C#.</para>
/// <para>A variable that is overlooked here would arrive as zero or null without a word. So every operand that can name a field is looked at, whatever the
/// instruction does with it, and code with anything in it that isn't understood counts as using all.</para>
/// </remarks>
internal sealed class UsedCaptures
{
    private static readonly ConcurrentDictionary<Type, bool> HolderTypes = new();

    private readonly Module module;
    private readonly HashSet<int> fields = [];
    private readonly HashSet<int> seenMethods = [];
    private readonly HashSet<int> seenTypes = [];
    private readonly Queue<MethodBase> open = [];

    private UsedCaptures(Module module) => this.module = module;

    /// <summary>The metadata tokens of the captured fields that the function uses, all in its module; null if its code isn't understood.</summary>
    public static HashSet<int>? Of(MethodInfo function)
    {
        UsedCaptures found = new(function.Module);
        try
        {
            found.Follow(function);
            while (found.open.TryDequeue(out MethodBase? method))
                found.Read(method);
        }
        catch (Exception unreadable) when (unreadable is not OutOfMemoryException)
        {
            // Whatever reading code may throw, tokens of types that can't be loaded among it.
            return null;
        }

        return found.fields;
    }

    /// <summary>Whether a type was made by the compiler to hold captured variables.</summary>
    public static bool IsHolder(Type type) => HolderTypes.GetOrAdd(
        type,
        static type => type.Name.StartsWith("<>c", StringComparison.Ordinal) && type.IsDefined(typeof(CompilerGeneratedAttribute), inherit: false));

    private void Read(MethodBase method)
    {
        byte[] code = method.GetMethodBody()?.GetILAsByteArray() ?? [];
        Type[] ofType = method.DeclaringType is { IsGenericType: true } type ? type.GetGenericArguments() : [];
        Type[] ofMethod = method.IsGenericMethod ? method.GetGenericArguments() : [];
        foreach (Instruction instruction in Instruction.Read(code))
        {
            // By the kind of the operand, not by the instruction: a field that is named is used, even if only its description is loaded, as in expression trees.
            switch (instruction.Operation.OperandType)
            {
                case OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineType or OperandType.InlineTok:
                    Note(method.Module.ResolveMember(BitConverter.ToInt32(code, instruction.Operand), ofType, ofMethod)!);
                    break;
                case OperandType.InlineSig:
                    throw new NotSupportedException("A call through a pointer: what it calls isn't known.");
            }
        }
    }

    private void Note(MemberInfo member)
    {
        switch (member)
        {
            case FieldInfo field:
                if (field.DeclaringType is not { } owner || !IsHolder(owner))
                    Note(field.DeclaringType);
                else if (field.Module == module)
                    fields.Add(field.MetadataToken);
                else
                    throw new NotSupportedException("Captured variables of another module.");
                break;
            case MethodBase method:
                if (method.Module == module && (IsMadeByCompiler(method) || TakesHolder(method)))
                    Follow(method);
                Note(method.DeclaringType);
                if (method.IsGenericMethod)
                    Array.ForEach(method.GetGenericArguments(), Note);
                break;
            case Type type:
                Note(type);
                break;
            default:
                throw new NotSupportedException($"An operand of the kind {member.MemberType}.");
        }
    }

    // A state machine is run by what never names its methods. Of a holder only the methods that are named belong to this lambda.
    private void Note(Type? type)
    {
        if (type is null)
            return;
        type = Stem(type);
        if (type.IsConstructedGenericType)
            Array.ForEach(type.GetGenericArguments(), Note);
        if (type.IsGenericParameter || type.Module != module || !type.Name.StartsWith('<') || IsHolder(type) || !seenTypes.Add(type.MetadataToken))
            return;
        const BindingFlags All = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
        Array.ForEach(type.GetMethods(All), Follow);
        Array.ForEach(type.GetConstructors(All), Follow);
    }

    // By token: a generic local function may call itself with ever larger types.
    private void Follow(MethodBase method)
    {
        if (seenMethods.Add(method.MetadataToken))
            open.Enqueue(method);
    }

    private static bool IsMadeByCompiler(MethodBase method) =>
        method.Name.StartsWith('<') || (method.DeclaringType is { } declaring && declaring.Name.StartsWith('<'));

    private static bool TakesHolder(MethodBase method) => Array.Exists(method.GetParameters(), static parameter => IsHolder(Stem(parameter.ParameterType)));

    private static Type Stem(Type type)
    {
        while (type.HasElementType)
            type = type.GetElementType()!;
        return type;
    }
}

/// <summary>One instruction of a method's code.</summary>
/// <param name="Operation">What it is.</param>
/// <param name="Operand">Where its operand begins in the code.</param>
internal readonly record struct Instruction(OpCode Operation, int Operand)
{
    private const byte FirstOfTwo = 0xFE;
    private static readonly OpCode?[] OneByte = new OpCode?[256];
    private static readonly OpCode?[] TwoBytes = new OpCode?[256];

    static Instruction()
    {
        foreach (FieldInfo field in typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static))
        {
            // Those of the runtime's own aren't in any file, and the first bytes of longer ones are no instructions.
            if (field.GetValue(null) is OpCode { OpCodeType: not OpCodeType.Nternal } code)
                (code.Size == 1 ? OneByte : TwoBytes)[(byte)code.Value] = code;
        }
    }

    /// <exception cref="BadImageFormatException">There is a byte that is no instruction, or the code ends within one.</exception>
    public static List<Instruction> Read(byte[] code)
    {
        List<Instruction> instructions = [];
        for (int at = 0; at < code.Length;)
        {
            bool isLong = code[at] == FirstOfTwo;
            OpCode operation = (isLong && at + 1 < code.Length ? TwoBytes[code[at + 1]] : OneByte[code[at]])
                ?? throw new BadImageFormatException($"The byte 0x{code[at]:X2} at {at} begins no known instruction.");
            at += operation.Size;
            instructions.Add(new Instruction(operation, at));
            at += OperandSize(operation.OperandType, code, at);
            if (at > code.Length)
                throw new BadImageFormatException($"The code ends within {operation.Name}.");
        }

        return instructions;
    }

    private static int OperandSize(OperandType type, byte[] code, int at) => type switch
    {
        OperandType.InlineNone => 0,
        OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
        OperandType.InlineVar => 2,
        OperandType.InlineBrTarget or OperandType.InlineI or OperandType.ShortInlineR or OperandType.InlineString => 4,
        OperandType.InlineField or OperandType.InlineMethod or OperandType.InlineType or OperandType.InlineTok or OperandType.InlineSig => 4,
        OperandType.InlineI8 or OperandType.InlineR => 8,
        OperandType.InlineSwitch when code.Length - at >= 4 && BitConverter.ToInt32(code, at) is var count && (uint)count <= code.Length => 4 + (4 * count),
        _ => throw new BadImageFormatException($"An operand of the unknown kind {type}."),
    };
}
