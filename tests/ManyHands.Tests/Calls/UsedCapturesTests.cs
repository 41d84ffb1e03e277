using System.Reflection;
using System.Reflection.Emit;
using System.Runtime.CompilerServices;
using System.Runtime.Loader;
using ManyHands.Calls;
using Mono.Cecil;
using Xunit;
using FieldAttributes = System.Reflection.FieldAttributes;
using MethodAttributes = System.Reflection.MethodAttributes;
using OperandType = System.Reflection.Emit.OperandType;
using TypeAttributes = System.Reflection.TypeAttributes;

namespace ManyHands.Tests.Calls;

/// <summary>No variable that a lambda uses is overlooked, whatever the instruction that names it; what isn't understood counts as using all.</summary>
public sealed class UsedCapturesTests
{
    private const BindingFlags Declared = BindingFlags.Instance | BindingFlags.Static | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly;
    private static readonly OpCode[] All = [.. typeof(OpCodes).GetFields(BindingFlags.Public | BindingFlags.Static).Select(static field => (OpCode)field.GetValue(null)!)];

    /// <summary>Each with each operand by which it could get to a captured variable: the field, a method or a type of the compiler's whose code uses it.</summary>
    [Fact]
    public void EveryInstructionWithAToken_IsFollowedOrNotUnderstood()
    {
        (OpCode Code, string Operand)[] cases = [.. All.Where(static code => code.OpCodeType != OpCodeType.Nternal).SelectMany(static code => code.OperandType switch
        {
            OperandType.InlineField => [(code, "field")],
            OperandType.InlineMethod when code == OpCodes.Newobj => [(code, "constructor")],
            OperandType.InlineMethod => [(code, "method"), (code, "generic method")],
            OperandType.InlineType => [(code, "type")],
            OperandType.InlineTok => [(code, "field"), (code, "method"), (code, "type")],
            OperandType.InlineSig => [(code, "signature")],
            OperandType.InlineString => [],
            OperandType.InlineNone or OperandType.InlineVar or OperandType.ShortInlineVar => Array.Empty<(OpCode, string)>(),
            OperandType.InlineBrTarget or OperandType.ShortInlineBrTarget or OperandType.InlineSwitch => [],
            OperandType.InlineI or OperandType.InlineI8 or OperandType.InlineR or OperandType.ShortInlineI or OperandType.ShortInlineR => [],
            _ => throw new InvalidOperationException($"{code.Name} has an operand of a kind that nobody thought of: can it name a field?"),
        })];
        Assert.True(cases.Length > 20, "The instructions with tokens are gone.");
        Type holder = Emit([.. cases.Select(static one => (Action<ILGenerator, Made>)((code, made) => EmitOperand(code, one.Code, one.Operand, made)))]);
        int captured = Token(holder, "captured");
        string[] overlooked = [.. cases.Select((one, i) => (one, i)).Where(pair => UsedCaptures.Of(holder.GetMethod($"<M>b__{pair.i}", Declared)!)?.Contains(captured) == false).Select(static pair => $"{pair.one.Code.Name} of a {pair.one.Operand}")];
        Assert.True(overlooked.Length == 0, $"Overlooked: {string.Join(", ", overlooked)}");
    }

    /// <summary>A field behind any instruction is seen: its operand was stepped over by its right size.</summary>
    [Fact]
    public void EveryInstruction_IsSteppedOver()
    {
        OpCode[] codes = [.. All.Where(static code => code.OpCodeType != OpCodeType.Nternal)];
        foreach (OpCode code in codes)
        {
            int size = code.OperandType switch
            {
                OperandType.InlineNone => 0,
                OperandType.ShortInlineBrTarget or OperandType.ShortInlineI or OperandType.ShortInlineVar => 1,
                OperandType.InlineVar => 2,
                OperandType.InlineI8 or OperandType.InlineR => 8,
                _ => 4,
            };
            byte[] bytes = [.. code.Size == 1 ? [(byte)code.Value] : new[] { (byte)(code.Value >> 8), (byte)code.Value }, .. new byte[size], (byte)OpCodes.Ret.Value];
            List<Instruction> read = Instruction.Read(bytes);
            Assert.Equal([code, OpCodes.Ret], read.Select(static one => one.Operation));
            Assert.All(Enumerable.Range(1, bytes.Length - 2), length => Assert.Throws<BadImageFormatException>(() => Instruction.Read(bytes[..length])));
        }

        HashSet<int> known = [.. codes.Select(static code => code.Value & 0xFFFF)];
        for (int value = 0; value < 256; value++)
        {
            if (!known.Contains(value) && value != 0xFE)
                Assert.Throws<BadImageFormatException>(() => Instruction.Read([(byte)value, 0, 0, 0, 0]));
            if (!known.Contains(0xFE00 | value))
                Assert.Throws<BadImageFormatException>(() => Instruction.Read([0xFE, (byte)value, 0, 0, 0, 0]));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    [InlineData(-1)]
    [InlineData(int.MinValue)]
    [InlineData(int.MaxValue)]
    public void Switch_IsSteppedOver_OrNotUnderstood(int targets)
    {
        byte[] bytes = [(byte)OpCodes.Switch.Value, .. BitConverter.GetBytes(targets), .. new byte[8], (byte)OpCodes.Ret.Value];
        if (targets is 0 or 2)
            Assert.Equal(OpCodes.Ret, Instruction.Read(bytes)[^1].Operation);
        else
            Assert.Throws<BadImageFormatException>(() => Instruction.Read(bytes));
    }

    /// <summary>What another reader of assemblies sees a lambda's code name is among what it is said to use, in everything that is here.</summary>
    [Fact]
    public void EveryLambdaHere_UsesAtLeastWhatItsCodeNames()
    {
        int lambdas = 0, notUnderstood = 0;
        List<string> overlooked = [];
        foreach (string file in Files())
        {
            using ModuleDefinition module = ModuleDefinition.ReadModule(file);
            Assembly assembly = AssemblyLoadContext.Default.LoadFromAssemblyPath(file);
            foreach (TypeDefinition holder in module.GetTypes().Where(static type => type.Name.StartsWith("<>c__DisplayClass", StringComparison.Ordinal) && type.IsClass && !type.IsValueType))
            {
                Type type = assembly.ManifestModule.ResolveType(holder.MetadataToken.ToInt32());
                foreach (MethodDefinition method in holder.Methods.Where(static method => method.HasBody && !method.IsConstructor))
                {
                    MethodInfo lambda = Array.Find(type.GetMethods(Declared), one => one.MetadataToken == method.MetadataToken.ToInt32())!;
                    HashSet<int>? used = UsedCaptures.Of(lambda);
                    lambdas++;
                    notUnderstood += used is null ? 1 : 0;
                    foreach (FieldReference named in method.Body.Instructions.Select(static one => one.Operand).OfType<FieldReference>())
                    {
                        if (used is not null && named.DeclaringType.GetElementType().FullName == holder.FullName && !used.Contains(named.Resolve().MetadataToken.ToInt32()))
                            overlooked.Add($"{holder.FullName}.{method.Name}: {named.Name}");
                    }
                }
            }
        }

        Assert.True(overlooked.Count == 0, $"Of {lambdas} lambdas: {string.Join('\n', overlooked.Take(20))}");
        Assert.True(lambdas > 500, $"Only {lambdas} lambdas are here.");
        Assert.True(notUnderstood <= lambdas / 50, $"Of {lambdas} lambdas {notUnderstood} aren't understood, so that all their captures travel.");
        TestContext.Current.SendDiagnosticMessage("{0} lambdas, {1} not understood", lambdas, notUnderstood);
    }

    private static IEnumerable<string> Files()
    {
        string here = Path.GetDirectoryName(typeof(UsedCapturesTests).Assembly.Location)!;
        string[] some = ["ManyHands.Tests.dll", "ManyHands.dll", "CsCheck.dll", "Newtonsoft.Json.dll", "xunit.v3.core.dll", "Nerdbank.MessagePack.dll"];
        IEnumerable<string> files = some.Select(name => Path.Combine(here, name)).Where(File.Exists);
        return Environment.GetEnvironmentVariable("MANYHANDS_LONG") == "1"
            ? [.. files, .. Directory.GetFiles(Path.GetDirectoryName(typeof(object).Assembly.Location)!, "System.*.dll").Where(static file => !file.Contains(".Native", StringComparison.Ordinal))]
            : files;
    }

    private static int Token(Type holder, string field) => holder.GetField(field, Declared)!.MetadataToken;

    private static void EmitOperand(ILGenerator code, OpCode operation, string operand, Made made)
    {
        switch (operand)
        {
            case "field": code.Emit(operation, made.Field); break;
            case "method": code.Emit(operation, made.Method); break;
            case "generic method": code.Emit(operation, made.GenericMethod.MakeGenericMethod(typeof(int))); break;
            case "constructor": code.Emit(operation, made.Constructor); break;
            case "type": code.Emit(operation, made.StateMachine); break;
            case "signature": code.EmitCalli(operation, CallingConventions.Standard, typeof(void), [typeof(object)], null); break;
        }
    }

    // A holder as the compiler makes it, from a file: lambdas with the given code, and what else could use its variable.
    private static Type Emit(Action<ILGenerator, Made>[] lambdas)
    {
        PersistedAssemblyBuilder assembly = new(new AssemblyName("Emitted"), typeof(object).Assembly);
        ModuleBuilder module = assembly.DefineDynamicModule("Emitted");
        TypeBuilder holder = module.DefineType("<>c__DisplayClass0_0", TypeAttributes.Class | TypeAttributes.Public);
        holder.SetCustomAttribute(new CustomAttributeBuilder(typeof(CompilerGeneratedAttribute).GetConstructor([])!, []));
        FieldBuilder field = holder.DefineField("captured", typeof(int), FieldAttributes.Public);
        MethodBuilder method = holder.DefineMethod("<M>g__Other|0", MethodAttributes.Public, typeof(void), []);
        Use(method.GetILGenerator(), field);
        MethodBuilder generic = holder.DefineMethod("<M>g__Generic|0", MethodAttributes.Public, typeof(void), []);
        generic.DefineGenericParameters("T");
        Use(generic.GetILGenerator(), field);
        TypeBuilder machine = module.DefineType("<M>d__0", TypeAttributes.Class | TypeAttributes.Public);
        ConstructorBuilder constructor = machine.DefineConstructor(MethodAttributes.Public, CallingConventions.Standard, []);
        Use(constructor.GetILGenerator(), field);
        Made made = new(field, method, generic, constructor, machine);
        for (int i = 0; i < lambdas.Length; i++)
        {
            ILGenerator code = holder.DefineMethod($"<M>b__{i}", MethodAttributes.Public, typeof(void), []).GetILGenerator();
            lambdas[i](code, made);
            code.Emit(OpCodes.Ret);
        }

        machine.CreateType();
        holder.CreateType();
        using MemoryStream file = new();
        assembly.Save(file);
        file.Position = 0;
        return new AssemblyLoadContext("emitted", isCollectible: true).LoadFromStream(file).GetType("<>c__DisplayClass0_0", throwOnError: true)!;

        static void Use(ILGenerator code, FieldBuilder field)
        {
            code.Emit(OpCodes.Ldarg_0);
            code.Emit(OpCodes.Ldfld, field);
            code.Emit(OpCodes.Pop);
            code.Emit(OpCodes.Ret);
        }
    }

    private sealed record Made(FieldBuilder Field, MethodBuilder Method, MethodBuilder GenericMethod, ConstructorBuilder Constructor, TypeBuilder StateMachine);
}
